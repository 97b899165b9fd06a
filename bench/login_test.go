package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"

	"milagro.dev/internal/login"
)

// TestMain is also the process that a row asks for.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{loginServe, forward}, os.Args[1]) {
		if err := start(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestCrowdLogsInAtAServerOfItsOwn(t *testing.T) {
	c, err := newCrowd(4)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := c.fill(100); err != nil {
		t.Fatal(err)
	}
	if err := c.serve(login.Batched); err != nil {
		t.Fatal(err)
	}
	before, err := c.process.usage()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if lasted, err := c.logins(8); err != nil || lasted <= 0 {
			t.Fatalf("8 logins in %s: %v", lasted, err)
		}
	}
	after, err := c.process.settle()
	if err != nil || after.Processor <= before.Processor || after.Resident < 1<<20 {
		t.Errorf("the server has used %+v, before that %+v: %v", after, before, err)
	}
	v := c.people[0]
	list, err := c.server.Operator().List(t.Context(), v.login.Name)
	if err != nil || len(list.Devices) != 1 || list.Devices[0].Accepted.IsZero() {
		t.Errorf("%s did not log in: %+v, %v", v.name, list, err)
	}
	if err := v.pass(http.StatusForbidden); err == nil { // sessions that are over
		t.Error("an answer of another status passes")
	}
}

func TestRefusalsAreTimed(t *testing.T) {
	r, err := refusalTiming(2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if *r.NS < 0 || *r.AgainstNS <= 0 || *r.Ratio != *r.NS / *r.AgainstNS {
		t.Errorf("row %v of %v: %v", *r.NS, *r.AgainstNS, *r.Ratio)
	}
}
