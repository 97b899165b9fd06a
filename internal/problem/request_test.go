package problem

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type order struct {
	Name  string         `json:"name"`
	Count uint32         `json:"count"`
	Bytes []byte         `json:"bytes"`
	Inner map[string]int `json:"inner"`
}

func decode(contentType, body string, limit int64) (order, error) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return Decode[order](httptest.NewRecorder(), r, limit)
}

func TestDecodeReadsOneObject(t *testing.T) {
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8"} {
		got, err := decode(contentType, ` {"name":"web","count":3,"bytes":"AQI=","inner":{"a":1,"b":2}} `, 100)
		if err != nil || got.Name != "web" || got.Count != 3 || len(got.Bytes) != 2 || got.Inner["b"] != 2 {
			t.Errorf("%s: %+v, %v", contentType, got, err)
		}
	}
}

func TestDecodeRefusesEachFault(t *testing.T) {
	for name, c := range map[string]struct {
		contentType, body string
		want              Kind
	}{
		"no content type":   {"", `{}`, UnsupportedMedia},
		"form":              {"application/x-www-form-urlencoded", `{}`, UnsupportedMedia},
		"text":              {"text/plain", `{}`, UnsupportedMedia},
		"too large":         {"application/json", `{"name":"` + strings.Repeat("x", 100) + `"}`, TooLarge},
		"empty":             {"application/json", ``, Malformed},
		"truncated":         {"application/json", `{"name":"we`, Malformed},
		"no object":         {"application/json", `[]`, Malformed},
		"null":              {"application/json", `null`, Malformed},
		"trailing object":   {"application/json", `{}{}`, Malformed},
		"trailing text":     {"application/json", `{} x`, Malformed},
		"unknown member":    {"application/json", `{"nmae":"web"}`, Malformed},
		"member twice":      {"application/json", `{"name":"web","name":"api"}`, Malformed},
		"twice but case":    {"application/json", `{"name":"web","NAME":"api"}`, Malformed},
		"twice inside":      {"application/json", `{"inner":{"a":1,"a":2}}`, Malformed},
		"wrong type":        {"application/json", `{"count":"3"}`, Malformed},
		"negative":          {"application/json", `{"count":-1}`, Malformed},
		"not base64":        {"application/json", `{"bytes":"%"}`, Malformed},
		"not UTF-8":         {"application/json", "{\"name\":\"\xff\"}", Malformed},
		"too deeply nested": {"application/json", strings.Repeat("[", 20000), TooLarge},
	} {
		_, err := decode(c.contentType, c.body, 64)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, string(c.want))
		}
	}
	if _, err := decode("application/json", `{"inner":`+strings.Repeat(`{"a":`, 20000), 1<<20); !errors.Is(err, Malformed) {
		t.Errorf("deep nesting: %v", err)
	}
}

func TestDecodeClosesTheConnectionOfAHugeBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := Decode[order](w, r, 1000)
		Write(w, err)
	}))
	defer server.Close()
	resp, err := http.Post(server.URL, "application/json", strings.NewReader(strings.Repeat(" ", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if p, err := Read(resp); err != nil || p.Kind != TooLarge || !resp.Close {
		t.Errorf("%v, %v, close %t", p, err, resp.Close)
	}
}

func TestRoutesWordsWhatTheMuxRefuses(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/issue", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Pattern) })
	mux.HandleFunc("GET /v1/ceremony/{plan}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("plan")) })
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"POST", "/v1/issue", 200, "POST /v1/issue"},
		{"GET", "/v1/ceremony/abc", 200, "abc"},
		{"GET", "/v1/issue", 405, "method-not-allowed"},
		{"GET", "/v2/issue", 404, "not-found"},
		{"POST", "/v1/issue/", 404, "not-found"},
	} {
		w := httptest.NewRecorder()
		Routes(mux).ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, w.Code, w.Body, c.status, c.body)
		}
		if w.Code == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("Allow: %q", w.Header().Get("Allow"))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"name":"web","count":3,"bytes":"AQI=","inner":{"a":1}}`)
	f.Add(`{"name":"web","Name":"api"}`)
	f.Fuzz(func(t *testing.T, body string) {
		_, err := decode("application/json", body, 1<<16)
		if err != nil && !errors.Is(err, Malformed) && !errors.Is(err, TooLarge) {
			t.Fatal(err)
		}
	})
}
