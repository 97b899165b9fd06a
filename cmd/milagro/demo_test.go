package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// demoSteps are a contract: programs that read --json look for them.
var demoSteps = []string{"ceremony", "enrol-service", "channel", "channel-wrong-name-refused",
	"mpin-ceremony", "enrol-person", "login", "login-wrong-pin-refused", "login-lockout", "permit-renewed-without-pin",
	"stolen-device-without-pin-refused", "pin-changed", "lying-authority-named",
	"authority-down", "epochs", "revoked"}

func TestDemoHolds(t *testing.T) {
	t.Parallel()
	cmd := milagro(t.Context(), "demo", "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("exit: %v", err)
	}
	var r struct {
		OK    *bool
		Steps []struct {
			Name   string
			OK     bool
			Ms     *int64
			Detail string
		}
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil || dec.More() {
		t.Fatalf("not exactly one object: %v\n%s", err, out)
	}
	if r.OK == nil || !*r.OK {
		t.Error("ok is not true")
	}
	var names []string
	for _, s := range r.Steps {
		names = append(names, s.Name)
		if !s.OK || s.Ms == nil || s.Detail == "" {
			t.Errorf("step %+v", s)
		}
	}
	if !slices.Equal(names, demoSteps) {
		t.Errorf("steps %q", names)
	}
}

func TestDemoStopsAtTheFirstStepThatFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &demo{dir: t.TempDir()}
	defer d.stop()
	told := 0
	r := d.tour(ctx, func(demoStep) { told++ })
	if r.OK || len(r.Steps) != len(demoSteps) || told != len(demoSteps) {
		t.Fatalf("%+v", r)
	}
	for i, s := range r.Steps {
		if s.OK || s.Name != demoSteps[i] || i > 0 && s.Detail != "not tried" {
			t.Errorf("step %+v", s)
		}
	}
	if err := r.verdict(); err == nil || !strings.HasPrefix(err.Error(), "demo: ceremony: ") {
		t.Errorf("verdict %v", err)
	}
}

func TestDemoVerdictIsThatOfItsSteps(t *testing.T) {
	if err := (demoResult{Steps: []demoStep{{OK: true}}}).verdict(); err != nil {
		t.Error(err)
	}
	var out strings.Builder
	demoStep{Name: "channel", OK: false, Ms: 1200, Detail: "no"}.print(&out)
	demoResult{Steps: []demoStep{{OK: true, Ms: 500}, {Ms: 1500}}}.Text(&out)
	if want := "FAIL channel                               1.2 s  no\n1 of 2 steps held, in 2.0 s\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestOnlyAnAlertIsARefusalByAPeer(t *testing.T) {
	if refusedByPeer(errors.New("no route to host")) {
		t.Error("an error of our own was taken for a refusal")
	}
}
