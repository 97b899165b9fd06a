package mpin

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"milagro.dev/internal/pairing"
)

// logins are n accepted logins at one service, each of another person.
func logins(t testing.TB, s *service, n int) (transcripts []Transcript, vs [][pairing.G1Size]byte) {
	t.Helper()
	for i := range n {
		p := s.enrol(t, fmt.Sprint("user", i), "472916")
		tr, proof := run(t, p.login, p.secrets)
		transcripts, vs = append(transcripts, tr), append(vs, proof.V)
	}
	return transcripts, vs
}

// offCurve and outside are points that do not decode: x = 1 has no y, and (0, 2) has
// order 3.
func badPoints() map[string][pairing.G1Size]byte {
	offCurve, order3 := [pairing.G1Size]byte{0: 0x80, 47: 1}, [pairing.G1Size]byte{0: 0x80}
	high := [pairing.G1Size]byte{0: 0x9a, 1: 0xff}
	return map[string][pairing.G1Size]byte{"off the curve": offCurve, "of order 3": order3, "the identity": {0: 0xc0}, "zeros": {}, "not below p": high}
}

// wrong returns a proof of one of several kinds in place of a right one.
func wrong(t testing.TB, kind int, v [pairing.G1Size]byte, other [pairing.G1Size]byte) [pairing.G1Size]byte {
	switch kind {
	case 0:
		return array(point(t, v[:]).Add(pairing.G1Generator()))
	case 1:
		return other
	case 2:
		return array(point(t, v[:]).Neg())
	}
	return badPoints()["of order 3"]
}

func TestBatchIsTheSameAsVerify(t *testing.T) {
	s := newService(t)
	transcripts, vs := logins(t, s, 7)
	strange, others := logins(t, newService(t), 1)
	rapid.Check(t, func(rt *rapid.T) {
		var some []Transcript
		var answers [][pairing.G1Size]byte
		var want []int
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, 6), 0, 9).Draw(rt, "logins") { // also one twice
			kind := rapid.IntRange(-4, 4).Draw(rt, "kind")
			tr, v := transcripts[i], vs[i]
			switch {
			case kind == 4:
				tr, v = strange[0], others[0]
			case kind >= 0:
				v = wrong(t, kind, v, vs[(i+1)%7])
			}
			if Verify(s.server, tr, v) != nil {
				want = append(want, len(some))
			}
			if (Verify(s.server, tr, v) == nil) != (kind < 0) {
				rt.Fatalf("a proof of kind %d is judged wrongly", kind)
			}
			some, answers = append(some, tr), append(answers, v)
		}
		if bad := VerifyBatch(s.server, some, answers); !slices.Equal(bad, want) {
			rt.Fatalf("bad = %v, want %v", bad, want)
		}
	})
}

// TestBatchRefusesErrorsThatCancel adds an error to one V and takes it from another:
// with equal weights the sum is right.
func TestBatchRefusesErrorsThatCancel(t *testing.T) {
	s := newService(t)
	transcripts, vs := logins(t, s, 4)
	d := pairing.HashToG1("TEST", []byte("error"))
	forged := slices.Clone(vs)
	forged[0], forged[2] = array(point(t, vs[0][:]).Add(d)), array(point(t, vs[2][:]).Sub(d))
	var left, right pairing.G1
	for i, tr := range transcripts {
		c, err := check(tr, forged[i])
		if err != nil {
			t.Fatal(err)
		}
		left, right = left.Add(c.v), right.Add(c.u).Add(c.b.Mul(c.y))
	}
	if !holds(s.server, left, right) {
		t.Fatal("the errors do not cancel: the test shows nothing")
	}
	for range 20 {
		if bad := VerifyBatch(s.server, transcripts, forged); !slices.Equal(bad, []int{0, 2}) {
			t.Fatalf("bad = %v, want [0 2]", bad)
		}
	}
	// The same with the two answers in each other's place: their sum is right, too.
	swapped := slices.Clone(vs)
	swapped[1], swapped[3] = vs[3], vs[1]
	if bad := VerifyBatch(s.server, transcripts, swapped); !slices.Equal(bad, []int{1, 3}) {
		t.Errorf("bad = %v, want [1 3]", bad)
	}
}

func TestBatchesOfEverySize(t *testing.T) {
	s := newService(t)
	transcripts, vs := logins(t, s, MaxBatch)
	for _, n := range []int{0, 1, 2, 3, MaxBatch - 1, MaxBatch} {
		if bad := VerifyBatch(s.server, transcripts[:n], vs[:n]); bad != nil {
			t.Errorf("%d good logins: bad = %v", n, bad)
		}
	}
	forged, want := slices.Clone(vs), []int{0, 1, 31, 32, 40, 63}
	for i, at := range want {
		forged[at] = wrong(t, i%4, vs[at], vs[at^1])
	}
	if bad := VerifyBatch(s.server, transcripts, forged); !slices.Equal(bad, want) {
		t.Errorf("bad = %v, want %v", bad, want)
	}
	for i := range forged {
		forged[i] = wrong(t, 0, vs[i], vs[i])
	}
	if bad := VerifyBatch(s.server, transcripts, forged); len(bad) != MaxBatch {
		t.Errorf("all are bad and %d are found", len(bad))
	}
}

func TestBatchPanicsOnListsOfItsCallersMaking(t *testing.T) {
	s := newService(t)
	for name, n := range map[string][2]int{"too many": {MaxBatch + 1, MaxBatch + 1}, "one V less": {2, 1}, "one transcript less": {1, 2}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			VerifyBatch(s.server, make([]Transcript, n[0]), make([][pairing.G1Size]byte, n[1]))
		}()
	}
}

func TestBadPointsAreRefused(t *testing.T) {
	s := newService(t)
	transcripts, vs := logins(t, s, 3)
	for name, bad := range badPoints() {
		if err := Verify(s.server, transcripts[1], bad); !errors.Is(err, ErrRefused) || !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("V %s: %v", name, err)
		}
		if got := VerifyBatch(s.server, transcripts, [][pairing.G1Size]byte{vs[0], bad, vs[2]}); !slices.Equal(got, []int{1}) {
			t.Errorf("V %s in a batch: bad = %v", name, got)
		}
		if _, err := ParseCommitment(bad[:]); !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("U %s: %v", name, err)
		}
		smuggled := must[Transcript](t)(transcripts[1].login.Transcript(Commitment{bytes: bad}, transcripts[1].challenge))
		if err := Verify(s.server, smuggled, vs[1]); !errors.Is(err, ErrRefused) || !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("U %s in a transcript: %v", name, err)
		}
	}
	for _, n := range []int{0, pairing.G1Size - 1, pairing.G1Size + 1} {
		if _, err := ParseCommitment(make([]byte, n)); !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("U of %d bytes: %v", n, err)
		}
	}
	if err := Verify(s.server, Transcript{}, vs[0]); !errors.Is(err, ErrRefused) {
		t.Errorf("no transcript: %v", err)
	}
}

// TestWOfZeroIsRefused plays U = −yB, which nobody finds, since U is in y: then any V
// but the identity is wrong, and the identity is nobody's answer.
func TestWOfZeroIsRefused(t *testing.T) {
	s := newService(t)
	b, y := pairing.HashToG1("TEST", nil), pairing.NewScalar(7)
	nothing := checked{u: b.Mul(y).Neg(), b: b, y: y}
	if !holds(s.server, nothing.v, nothing.u.Add(b.Mul(y))) {
		t.Fatal("two identities do not fit the equation: the test shows nothing")
	}
	if nothing.answers(s.server) {
		t.Error("W = 0 and V = 0 log in")
	}
	nothing.v = pairing.G1Generator()
	if nothing.answers(s.server) || holdTogether(s.server, []entry{{checked: nothing}, {checked: nothing}}) {
		t.Error("W = 0 logs in")
	}
}
