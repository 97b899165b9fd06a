package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Decode reads the body of r, at most limit bytes, as one JSON object T. It
// is strict: application/json, UTF-8, no unknown and no repeated member,
// nothing after the object. Errors are Problems, for Write: UnsupportedMedia,
// TooLarge, Malformed.
func Decode[T any](w http.ResponseWriter, r *http.Request, limit int64) (T, error) {
	var into T
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return into, New(UnsupportedMedia, "content type %.80q", r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return into, New(TooLarge, "more than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return into, New(Malformed, "body not received")
	}
	if err := strict(body); err != nil {
		return into, New(Malformed, "%s", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&into); err != nil {
		return into, New(Malformed, "%s", printable(strings.TrimPrefix(err.Error(), "json: ")))
	}
	return into, nil
}

// strict refuses what encoding/json would let pass: bytes that are not UTF-8,
// anything but one object, and a member given twice, where two readers might
// see two requests. Names are compared as encoding/json does, without case.
func strict(body []byte) error {
	if !utf8.Valid(body) {
		return errors.New("not UTF-8")
	}
	if !json.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return errors.New("not one JSON object")
	}
	return unrepeated(json.NewDecoder(bytes.NewReader(body)))
}

// unrepeated reads one value, which is known to be valid JSON.
func unrepeated(dec *json.Decoder) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') && open != json.Delim('[') {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == json.Delim('{') {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			folded := strings.ToLower(name.(string))
			if seen[folded] {
				return errors.New("member given twice")
			}
			seen[folded] = true
		}
		if err := unrepeated(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// Routes returns mux with its own "404" and "405" pages worded as Problems.
func Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		page := &unsent{header: http.Header{}}
		refuse.ServeHTTP(page, r)
		if page.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", page.header.Get("Allow"))
			Write(w, New(MethodNotAllowed, "allowed: %s", page.header.Get("Allow")))
			return
		}
		Write(w, New(NotFound, ""))
	})
}

// unsent takes a page of net/http's for its status and header.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(b []byte) (int, error) { return len(b), nil }
