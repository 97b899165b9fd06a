package wallet

import "testing"

// A source is asked twice in every handshake.
func BenchmarkSource(b *testing.B) {
	w, n := newTown(b, 2, 2, day).enrolled(b)
	source := w.Source(n)
	for b.Loop() {
		if _, err := source.Credential(); err != nil {
			b.Fatal(err)
		}
	}
}

// What a source does when an epoch begins.
func BenchmarkLoadKey(b *testing.B) {
	w, n := newTown(b, 2, 2, day).enrolled(b)
	d := must(w.domain("example.org"))(b)
	k := keyOf(d, n, must(w.Show(n))(b).Device, "channel", must(w.held(n, "channel"))(b)[0])
	for b.Loop() {
		if _, err := w.load(d, k); err != nil {
			b.Fatal(err)
		}
	}
}
