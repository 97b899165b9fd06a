package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestScheduleRefusesAContradiction(t *testing.T) {
	for name, s := range map[string]Schedule{
		"no length": {}, "length over 2^31": {Length: 1 << 31}, "last start alone": {Length: 10, PreviousLastStart: 10},
		"last start off the grid": {Length: 10, PreviousLength: 10, PreviousLastStart: 5}, "change off the new grid": {Length: 40, PreviousLength: 30, PreviousLastStart: 990},
	} {
		if err := s.Check(); !errors.Is(err, ErrEpoch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNextEpochIsIssuedInTheLastQuarterOnly(t *testing.T) {
	s := Schedule{Length: 100}
	now, next := s.Current(1000), s.Following(1000)
	for at := uint64(1000); at < 1100; at++ {
		if err := s.Issuable(now, Channel, at); err != nil {
			t.Fatalf("the current epoch at %d: %v", at, err)
		}
		if err := s.Issuable(next, Channel, at); (err == nil) != (at >= 1075) {
			t.Fatalf("the next epoch at %d: %v", at, err)
		}
		if err := s.Issuable(next, Permit, at); err != nil {
			t.Fatalf("the next permit at %d: %v", at, err)
		}
		for _, e := range []Epoch{{900, 100}, next.Next(), {1000, 50}, {}} {
			if err := s.Issuable(e, Permit, at); !errors.Is(err, ErrEpoch) {
				t.Fatalf("%v at %d: %v", e, at, err)
			}
		}
	}
}

func TestEpochSurvivesItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := EpochAt(rapid.Uint64Range(0, 1<<40).Draw(t, "now"), rapid.Uint32Range(1, 1<<31-1).Draw(t, "length"))
		if back, err := ParseEpoch(e.Bytes()); err != nil || back != e {
			t.Fatalf("%v: %v, %v", e, back, err)
		}
	})
}

func TestEpochIsOnePartOfTwelveBytes(t *testing.T) {
	e := Epoch{Start: 0x0000000200000000, Length: 0x10000}
	if got := hex.EncodeToString(e.Bytes()); got != "0000000200000000"+"00010000" {
		t.Errorf("bytes = %s", got)
	}
	if b := (Epoch{}).Bytes(); len(b) != 0 || !(Epoch{}).IsZero() || e.IsZero() {
		t.Errorf("no epoch is %d bytes", len(b))
	}
	if EpochAt(100, 0) != (Epoch{}) {
		t.Error("a length of 0 gives an epoch")
	}
}

func TestParseEpochRefuses(t *testing.T) {
	for why, text := range map[string]string{
		"nothing": "", "11 bytes": "00000000000000000000000a"[2:], "13 bytes": "00000000000000000000000a00",
		"length 0": "000000000000000a00000000", "length 2^31": "000000000000000080000000", "start off the grid": "000000000000000b0000000a",
		"start 2^63": "800000000000000000000001", "end 2^63": "7fffffffffffffff00000001", "all ones": "ffffffffffffffffffffffff",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if e, err := ParseEpoch(b); !errors.Is(err, ErrEpoch) {
			t.Errorf("%s: %v, %v", why, e, err)
		}
	}
}

// TestSkewFollowsTheEpoch tries the seconds around each border of long and of
// short epochs (doc/adr/0002).
func TestSkewFollowsTheEpoch(t *testing.T) {
	for _, c := range []struct{ start, length, skew uint64 }{{86_400, 86_400, 300}, {3000, 300, 300}, {1000, 10, 10}, {1000, 1, 1}} {
		e := Epoch{Start: c.start, Length: uint32(c.length)}
		for now, accepted := range map[uint64]bool{
			c.start - c.skew - 1: false, c.start - c.skew: true, c.start: true,
			e.End(): true, e.End() + c.skew: true, e.End() + c.skew + 1: false, 0: false, 1 << 62: false,
		} {
			if err := e.Covers(now); (err == nil) != accepted || err != nil && !errors.Is(err, ErrEpoch) {
				t.Errorf("%v at %d: %v", e, now, err)
			}
		}
	}
}

func TestLastQuarterEndsWithTheEpoch(t *testing.T) {
	e := Epoch{Start: 1000, Length: 100}
	for now, last := range map[uint64]bool{1000: false, 1074: false, 1075: true, 1099: true, 1100: false} {
		if e.LastQuarter(now) != last {
			t.Errorf("at %d: %v", now, !last)
		}
	}
}

// schedules draws one with a change of length in its past and one second near
// the change.
func schedules(t *rapid.T) (s Schedule, change uint64) {
	length := rapid.Uint32Range(1, 1000).Draw(t, "length")
	previous := rapid.Uint32Range(1, 1000).Draw(t, "previous")
	change = uint64(length) * uint64(previous) * rapid.Uint64Range(1, 1000).Draw(t, "multiple")
	return Schedule{Length: length, PreviousLength: previous, PreviousLastStart: change - uint64(previous)}, change
}

// TestScheduleChangeRevivesNothing takes any epoch of any length around any
// change of length: what is accepted lies on its own side of the change, and
// its time, skew aside, is now.
func TestScheduleChangeRevivesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, change := schedules(t)
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		near := func(what string) uint64 {
			return change + 5000 - min(change+5000, rapid.Uint64Range(0, 10_000).Draw(t, what))
		}
		now := near("now")
		length := rapid.SampledFrom([]uint32{s.Length, s.PreviousLength, s.Length + 1, 2 * s.Length}).Draw(t, "of length")
		e := EpochAt(near("start"), length)
		fits := e.Start >= change && length == s.Length || e.Start < change && length == s.PreviousLength
		in := now+e.Skew() >= e.Start && now <= e.End()+e.Skew()
		if err := s.Accepts(e, now); (err == nil) != (fits && in) || err != nil && !errors.Is(err, ErrEpoch) {
			t.Fatalf("%+v at %d, %v: %v", s, now, e, err)
		}
	})
}

func TestScheduleHasOneCurrentEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, change := schedules(t)
		now := change + 2000 - min(change+2000, rapid.Uint64Range(0, 4000).Draw(t, "now"))
		current, next := s.Current(now), s.Following(now)
		if now < current.Start || now >= current.End() || s.Accepts(current, now) != nil {
			t.Fatalf("%+v at %d: current %v", s, now, current)
		}
		if next.Start != current.End() || s.Admits(next) != nil {
			t.Fatalf("%+v at %d: %v is followed by %v", s, now, current, next)
		}
	})
}

// TestNextEpochIsNotAcceptedEarly is the second half of R53: keys that were
// fetched ahead serve nobody before their time.
func TestNextEpochIsNotAcceptedEarly(t *testing.T) {
	s := Schedule{Length: 86_400}
	next := s.Following(86_400)
	if err := s.Accepts(next, next.Start-MaxSkew-1); !errors.Is(err, ErrEpoch) {
		t.Errorf("301 s before it begins: %v", err)
	}
	if err := s.Accepts(next, next.Start-MaxSkew); err != nil {
		t.Errorf("300 s before it begins: %v", err)
	}
	if err := s.Accepts(Epoch{}, 0); !errors.Is(err, ErrEpoch) {
		t.Errorf("no epoch: %v", err)
	}
}

func TestWatermarkRefusesWhatEndedBefore(t *testing.T) {
	first, second, third := Epoch{100, 100}, Epoch{200, 100}, Epoch{300, 100}
	w := NewWatermark(Epoch{})
	if err := w.Admit(first); err != nil {
		t.Fatal(err)
	}
	w.Raise(third)
	w.Raise(first)
	if w.Highest() != third {
		t.Errorf("highest = %v", w.Highest())
	}
	if err := w.Admit(second); err != nil {
		t.Errorf("the epoch just before: %v", err)
	}
	if err := w.Admit(first); !errors.Is(err, ErrEpoch) {
		t.Errorf("one that ended before: %v", err)
	}
}

func TestWatermarkIsSafeForManyGoroutines(t *testing.T) {
	w := NewWatermark(Epoch{})
	var group sync.WaitGroup
	for i := range uint64(50) {
		group.Go(func() { w.Raise(Epoch{i * 10, 10}) })
	}
	group.Wait()
	if w.Highest().Start != 490 {
		t.Errorf("highest = %v", w.Highest())
	}
}

// TestAClockSetBackRevivesNothing accepts today's epoch, sets the clock back a
// week and asks for each epoch in between.
func TestAClockSetBackRevivesNothing(t *testing.T) {
	s, today := Schedule{Length: 86_400}, EpochAt(1_800_000_000, 86_400)
	w := NewWatermark(Epoch{})
	w.Raise(today)
	for days := uint64(2); days <= 7; days++ {
		now := 1_800_000_000 - days*86_400
		e := s.Current(now)
		if s.Accepts(e, now) != nil {
			t.Fatal("the clock alone refuses it: the test shows nothing")
		}
		if err := NewWatermark(w.Highest()).Admit(e); !errors.Is(err, ErrEpoch) {
			t.Errorf("%d days back, after a restart: %v", days, err)
		}
	}
}

func FuzzParseEpoch(f *testing.F) {
	f.Add(EpochAt(1_800_000_000, 86_400).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEpoch(b)
		if err == nil && (!bytes.Equal(e.Bytes(), b) || EpochAt(e.Start, e.Length) != e || e.End() >= 1<<63) {
			t.Errorf("%x became %v", b, e)
		}
	})
}
