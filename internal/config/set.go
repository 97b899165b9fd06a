package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Env sets the fields of the struct that into points to from those variables
// of environ ("NAME=value", as os.Environ returns them) that begin with prefix:
// limits.per_name from PREFIX_LIMITS_PER_NAME with prefix "PREFIX_". An empty value
// counts as absent. Other variables with the prefix are left alone: Kubernetes
// makes some of the names of services. Errors: *Error.
func Env(prefix string, environ []string, into any) error {
	names := map[string]string{}
	for key := range settings(into) {
		names[prefix+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		key, ours := names[name]
		if !ours || value == "" {
			continue
		}
		if err := set(into, name, key, value); err != nil {
			return err
		}
	}
	return nil
}

// Set sets the field with the dotted key of the struct that into points to, from
// text: the value of a flag. A list is separated by commas. Errors: *Error.
func Set(into any, key, text string) error {
	return set(into, key, key, text)
}

// Keys returns the dotted keys of the settings in the struct that into points
// to, sorted.
func Keys(into any) []string {
	return slices.Sorted(maps.Keys(settings(into)))
}

func set(into any, source, key, text string) error {
	field, ok := settings(into)[key]
	if !ok {
		return &Error{Source: source, Key: key, Reason: "unknown key", hint: known(into, strings.Split(key, "."))}
	}
	if err := assign(field, text); err != nil {
		return &Error{Source: source, Key: key, Reason: err.Error(), hint: "give a value of the same kind as in the file"}
	}
	return nil
}

// settings returns the fields that can be set, by dotted key.
func settings(into any) map[string]reflect.Value {
	found := map[string]reflect.Value{}
	collect(reflect.ValueOf(into).Elem(), "", found)
	return found
}

func collect(v reflect.Value, prefix string, found map[string]reflect.Value) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",")
		if name == "" || name == "-" {
			continue
		}
		field := v.Field(i)
		_, text := field.Addr().Interface().(encoding.TextUnmarshaler)
		switch {
		case field.Kind() == reflect.Struct && !text:
			collect(field, prefix+name+".", found)
		case isList(field.Type()): // only a file has room for it
		default:
			found[prefix+name] = field
		}
	}
}

func assign(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case field.Kind() == reflect.String:
		field.SetString(text)
	case field.Kind() == reflect.Bool:
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		field.SetBool(v)
	case field.CanInt():
		v, err := strconv.ParseInt(text, 10, field.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is no whole number of %d bits", text, field.Type().Bits())
		}
		field.SetInt(v)
	case field.CanUint():
		v, err := strconv.ParseUint(text, 10, field.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is no whole number from 0 of %d bits", text, field.Type().Bits())
		}
		field.SetUint(v)
	case field.Type() == reflect.TypeFor[[]string]():
		field.Set(reflect.ValueOf(strings.Split(text, ",")))
	default:
		return fmt.Errorf("cannot be set from text: it is a %s", field.Type())
	}
	return nil
}

// known lists what may stand where key stands.
func known(into any, key []string) string {
	section := strings.Join(key[:len(key)-1], ".")
	prefix := ""
	if section != "" {
		prefix = section + "."
	}
	here, all := map[string]bool{}, map[string]bool{}
	outline(reflect.TypeOf(into).Elem(), "", all)
	for k := range all {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			here[name] = true
		}
	}
	if len(here) == 0 {
		return "there is no section [" + section + "]"
	}
	return "known here: " + strings.Join(slices.Sorted(maps.Keys(here)), ", ")
}

// outline finds the keys that a file may have, those inside lists of tables too.
func outline(t reflect.Type, prefix string, found map[string]bool) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		if name == "" || name == "-" {
			continue
		}
		found[prefix+name] = true
		inner := field.Type
		if isList(inner) {
			inner = inner.Elem()
		}
		if isTable(inner) {
			outline(inner, prefix+name+".", found)
		}
	}
}

// isTable reports whether t is written as a table: a struct that does not read
// itself from a text.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isList reports whether t is written as [[tables]].
func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isTable(t.Elem()) }
