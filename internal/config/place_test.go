package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type farm struct {
	Dir   string `toml:"dir"`
	Herds []herd `toml:"herd"`
}

type herd struct {
	Name  string            `toml:"name"`
	Feed  map[string]string `toml:"feed"`
	Rest  Duration          `toml:"rest"`
	Space limits            `toml:"space"`
}

const farmFile = `dir = "/farm"

[[herd]]
name = "cows"
feed = { 1 = "hay", 2 = "grass" }

[[ herd ]]
  rest = "8h"
  name = "sheep"
[herd.space]
per_name = 3

[[herd]]
`

func TestListsOfTablesAreRead(t *testing.T) {
	var f farm
	if err := Load(file(t, farmFile), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Herds) != 3 || f.Herds[0].Feed["2"] != "grass" || f.Herds[1].Space.PerName != 3 || f.Herds[1].Rest.Hours() != 8 {
		t.Errorf("%+v", f)
	}
	if keys := Keys(&f); len(keys) != 1 || keys[0] != "dir" {
		t.Errorf("keys %q: a list has no place in a variable", keys)
	}
}

func TestErrorsInsideListsNameTheLineAndWhatIsKnown(t *testing.T) {
	for text, want := range map[string]string{
		"[[herd]]\nname = \"a\"\n[[herd]]\nnmae = \"b\"\n": ":4: herd.nmae: unknown key|known here: feed, name, rest, space",
		"[[herd]]\n[herd.space]\nroom = 1\n":               ":3: herd.space.room: unknown key|known here: codes, per_name, ratio, window",
		"[[hred]]\n":                                       ":1: hred: unknown key|known here: dir, herd",
		"[[herd]]\nfeed = { 1 = 2 }\n":                     ":2: herd.feed: |quotes",
		"[[herd]]\nrest = \"long\"\n":                      ":2: herd.rest: |quotes",
		"herd = [\"cows\"]\n":                              ":1: herd: |quotes",
	} {
		var f farm
		path := file(t, text)
		err := Load(path, &f)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		reads, hint, _ := strings.Cut(want, "|")
		if !strings.HasPrefix(err.Error(), path+reads) || !strings.Contains(e.Hint(), hint) {
			t.Errorf("%q: %v, hint %q", text, err, e.Hint())
		}
	}
}

func TestPlaceFindsTheLine(t *testing.T) {
	path := file(t, farmFile)
	for _, k := range []struct {
		index int
		key   string
		line  int
	}{
		{0, "name", 4}, {0, "feed", 5}, {0, "rest", 3}, {0, "", 3}, {1, "name", 9}, {1, "per_name", 7}, {2, "name", 13}, {3, "name", 0},
	} {
		err := Place{path, "herd", k.index}.Error(k.key, "is ill", "call the vet")
		want := path
		if k.line > 0 {
			want += fmt.Sprintf(":%d", k.line)
		}
		want += ": herd"
		if k.key != "" {
			want += "." + k.key
		}
		if got := err.Error(); got != want+": is ill" || err.Hint() != "call the vet" || !errors.Is(err, ErrConfig) {
			t.Errorf("%d %q: %s, want %s", k.index, k.key, got, want)
		}
	}
	if err := (Place{path + "?", "herd", 0}).Error("name", "is ill", ""); err.Line != 0 {
		t.Errorf("in no file: line %d", err.Line)
	}
}
