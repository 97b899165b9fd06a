package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"
)

// contract are the rows that readers of the JSON look for.
var contract = []string{"mpin-verify", "mpin-verify-batch64", "mpin-client", "login-server", "login-server-single", "login-rows-100", "login-rows-1000000",
	"login-sessions-memory", "refusal-timing", "share-issue", "share-issue-sealed", "share-issue-http", "ibs-verify", "ibs-verify-batch64", "channel-cold", "channel-warm", "combine-3",
	"channel-cold-storm", "channel-warm-bytes", "channel-throughput", "channel-requests", "channel-idle-memory", "channel-flood", "channel-flood-memory",
	"proxy-throughput", "proxy-throughput-haproxy", "proxy-latency", "proxy-latency-haproxy", "proxy-connect", "proxy-connect-haproxy", "proxy-idle-memory",
	"openid-server", "openid-sessions-memory", "signin-browser", "signin-browser-application", "signin-browser-mpin", "signin-page-weight",
	"enrol-t2", "enrol-t16", "request-names-100", "request-names-1000", "request-names-10000", "request-names-100000"}

func TestEveryPromisedRowIsMeasured(t *testing.T) {
	var names []string
	for _, s := range subjects {
		names = append(names, s.name)
	}
	for _, name := range contract {
		if !slices.Contains(names, name) {
			t.Errorf("no row %s", name)
		}
	}
}

// decode reads the rows that run prints for a pattern.
func decode(t *testing.T, pattern string) (rows []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	if err := run([]string{"-json", "-run", pattern}, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	return rows
}

func TestRowsAreAJSONArray(t *testing.T) {
	if rows := decode(t, "^nothing$"); rows == nil || len(rows) != 0 {
		t.Errorf("no rows are %v, want an empty array", rows)
	}
	rows := decode(t, "^(share-issue|combine-3)$")
	if len(rows) != 2 {
		t.Fatalf("rows %v", rows)
	}
	for _, r := range rows {
		for _, field := range []string{"name", "ns_per_op", "against", "against_ns_per_op", "ratio"} {
			if _, ok := r[field]; !ok {
				t.Errorf("row %v has no %s", r["name"], field)
			}
		}
		alone := r["name"] == "combine-3"
		if (r["ratio"] == nil) != alone || (r["against"] == nil) != alone || (r["against_ns_per_op"] == nil) != alone {
			t.Errorf("row %v", r)
		}
	}
	if rows[0]["against"] != "g1-mul" || rows[0]["ratio"].(float64) <= 0 || rows[0]["ns_per_op"].(float64) <= 0 {
		t.Errorf("row %v", rows[0])
	}
}

func TestRowIsTheMedianOfItsPairs(t *testing.T) {
	var turns []string
	lasting := func(name string) op {
		return op{run: func(int) error { turns = append(turns, name); time.Sleep(sample); return nil }}
	}
	s := subject{name: "x", against: "y", clock: wall, setup: func() (*bench, error) {
		return &bench{own: lasting("own"), reference: lasting("reference")}, nil
	}}
	r, err := s.measure()
	if err != nil {
		t.Fatal(err)
	}
	if changes := len(slices.Compact(turns)); changes != 2*pairs+2 {
		t.Errorf("%d turns, want both once to calibrate and then %d pairs, one after the other", changes, pairs)
	}
	if *r.NS < float64(sample) || *r.AgainstNS < float64(sample) {
		t.Errorf("row %+v", r)
	}
	if m := median([]float64{9, 1, 5}); m != 5 {
		t.Errorf("median %v", m)
	}
}

func TestTableHasADashWhereThereIsNoReference(t *testing.T) {
	var out bytes.Buffer
	against, own, other, ns, ratio := "ref", 3.0, 7.0, 2.0, 1.5
	if err := table(&out, []row{{Name: "a", NS: &own, Against: &against, AgainstNS: &ns, Ratio: &ratio}, {Name: "b", NS: &other}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`a +3 +ref +2 +1\.50`, `b +7 +– +– +–`} {
		if !regexp.MustCompile(want).Match(out.Bytes()) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}

func TestBadFlagsAreErrors(t *testing.T) {
	for _, args := range [][]string{{"-run", "("}, {"-frobnicate"}} {
		if err := run(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
