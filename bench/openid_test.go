package main

import "testing"

func TestBrowsersSignInAtAnApplication(t *testing.T) {
	c, err := newSigningCrowd(2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	for range 2 {
		if lasted, err := c.signIns(4); err != nil || lasted <= 0 {
			t.Fatalf("4 sign-ins in %s: %v", lasted, err)
		}
		if lasted, err := c.logins(4); err != nil || lasted <= 0 {
			t.Fatalf("4 logins in %s: %v", lasted, err)
		}
	}
	b := c.browsers[0]
	if err := b.redeem("not-a-code", b.ways[0].verifier); err == nil {
		t.Error("tokens for a code that is none")
	}
}

func TestMemoryOfOpenSessionsIsWeighed(t *testing.T) {
	r, err := openidMemory(2, 20)
	if err != nil {
		t.Fatal(err)
	}
	if *r.Bytes < 1<<20 || *r.AgainstBytes != openBytes || *r.Ratio != *r.Bytes / *r.AgainstBytes {
		t.Errorf("row %v of %v: %v", *r.Bytes, *r.AgainstBytes, *r.Ratio)
	}
}
