package main

import "testing"

// TestHandshakeSendsFewerBytesThanAChain: of all rows, bytes are the same on
// every machine.
func TestHandshakeSendsFewerBytesThanAChain(t *testing.T) {
	r := decode(t, "^channel-warm-bytes$")[0]
	if r["against"] != chain || r["ns_per_op"] != nil || r["ratio"].(float64) > 0.92 {
		t.Errorf("row %v: ratio is to be at most 0.92", r)
	}
}

func TestStormIsWelcomeEachTime(t *testing.T) {
	st, err := newStorm()
	if err != nil {
		t.Fatal(err)
	}
	defer st.door.Close()
	for range 2 {
		if err := st.blow(); err != nil {
			t.Error(err)
		}
	}
}

// TestForgersOfTheFloodAreRefused: rage says so if one is welcome. With the good
// leaf's own device the forgery would still be one, since its key is another.
func TestForgersOfTheFloodAreRefused(t *testing.T) {
	f, err := newFlood()
	if err != nil {
		t.Fatal(err)
	}
	defer f.door.Close()
	if err := f.rage(100, nil); err != nil {
		t.Error(err)
	}
	if err := visit(f.door, f.good); err != nil {
		t.Errorf("good peer after the flood: %v", err)
	}
	if made := f.forger.made.Load(); made != 100 {
		t.Errorf("%d forgeries, not 100", made)
	}
}
