package authority_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

// stage is a ceremony of which the test carries the messages, and may lose,
// keep back or forge them.
type stage struct {
	*authoritytest.Domain
	t      testing.TB
	client *dta.Client

	contributions [][]byte // of the run that begin began
}

// stageOf starts authorities that have all signed a plan.
func stageOf(t testing.TB, threshold, n int) *stage {
	t.Helper()
	d, err := authoritytest.Prepare(t.Context(), authoritytest.Config{Threshold: threshold, Authorities: n, Clock: at(noon()).Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return &stage{Domain: d, t: t, client: new(dta.Client)}
}

// done fails the test on an error.
func (s *stage) done(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// said returns an authority's message and fails the test if there is none.
func (s *stage) said(message []byte, err error) []byte {
	s.t.Helper()
	s.done(err)
	return message
}

func (s *stage) url(index int) string { return s.Members[index-1].URL() }

func (s *stage) next(index int, step dkg.Step) ([]byte, error) {
	return s.client.NextMessage(s.t.Context(), s.url(index), s.Plan.Hash(), string(step))
}

func (s *stage) abort(index int, id [32]byte) ([]byte, error) {
	return s.client.AbortCeremony(s.t.Context(), s.url(index), s.Plan.Hash(), id)
}

func (s *stage) release(index int, id [32]byte, aborts ...[]byte) error {
	return s.client.ReleaseCeremony(s.t.Context(), s.url(index), s.Plan.Hash(), id, aborts)
}

func (s *stage) deliver(index int, message []byte) error {
	return s.client.Deliver(s.t.Context(), s.url(index), s.Plan.Hash(), message)
}

func (s *stage) certify(index int) (dta.TestShare, error) {
	return s.client.DeliverCertificate(s.t.Context(), s.url(index), s.Plan.Hash(), s.Certificate.Bytes())
}

// reveal carries a new run so far that every authority can confirm it, and
// returns its id.
func (s *stage) reveal() [32]byte {
	s.t.Helper()
	ctx := s.t.Context()
	s.done(s.Start(ctx))
	for _, step := range []dkg.Step{dkg.Commit, dkg.Reveal} {
		messages, err := s.Step(ctx, step)
		s.done(errors.Join(err, s.Deliver(ctx, messages)))
	}
	return s.run(1)
}

// confirm returns the confirmations of these authorities.
func (s *stage) confirm(indices ...int) (confirms [][]byte) {
	s.t.Helper()
	for _, index := range indices {
		confirms = append(confirms, s.said(s.next(index, dkg.Confirm)))
	}
	return confirms
}

// assemble makes the certificate of all confirmations.
func (s *stage) assemble(confirms [][]byte) {
	s.t.Helper()
	var err error
	s.Certificate, err = dkg.Assemble(s.Plan, confirms)
	s.done(err)
}

// first returns the document that follows from plan and certificate.
func (s *stage) first() *dta.Document {
	s.t.Helper()
	document, err := dta.FirstDocument(s.Plan, s.Certificate)
	s.done(err)
	return document
}

// activate goes on from the certificate to a domain that all serve.
func (s *stage) activate() {
	s.t.Helper()
	s.done(s.Try(s.t.Context()))
	s.done(s.Publish(s.t.Context(), s.first()))
	s.is("active", all(s)...)
}

func all(s *stage) (indices []int) {
	for i := range s.Members {
		indices = append(indices, i+1)
	}
	return indices
}

func (s *stage) report(index int) dta.CeremonyState {
	s.t.Helper()
	state, err := s.client.Ceremony(s.t.Context(), s.url(index), s.Plan.Hash())
	s.done(err)
	return state
}

// run returns the id of an authority's run.
func (s *stage) run(index int) (id [32]byte) {
	s.t.Helper()
	b, err := hex.DecodeString(s.report(index).ID)
	s.done(err)
	if copy(id[:], b) != len(id) {
		s.t.Fatalf("authority %d has no run", index)
	}
	return id
}

// is fails the test unless the authorities say that they stand there.
func (s *stage) is(state string, indices ...int) {
	s.t.Helper()
	for _, index := range indices {
		if got := s.report(index).State; got != state {
			s.t.Errorf("authority %d is %q, want %q", index, got, state)
		}
	}
}

// holds fails the test unless an authority has so many sealed shares.
func (s *stage) holds(index, want int) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Members[index-1].Dir, "shares", "*.share"))
	s.done(err)
	if len(files) != want {
		s.t.Errorf("authority %d holds %d sealed shares, want %d", index, len(files), want)
	}
}

func (s *stage) crash(indices ...int) {
	s.t.Helper()
	for _, index := range indices {
		crash(s.t, s.Members[index-1])
	}
}

// crash ends an authority as kill -9 does, and starts it: it finds what its
// files held at this moment, not what an orderly end would still have written.
func crash(t testing.TB, m *authoritytest.Member) {
	t.Helper()
	image := t.TempDir()
	copyFiles(t, m.Dir, image)
	halt(t, m)
	restore(t, m, image)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func halt(t testing.TB, m *authoritytest.Member) {
	t.Helper()
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
}

// restore gives a stopped authority the files of a copy, and no other.
func restore(t testing.TB, m *authoritytest.Member, image string) {
	t.Helper()
	if err := os.RemoveAll(m.Dir); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, image, m.Dir)
}

// copyFiles copies directories and regular files with their modes.
func copyFiles(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The enemy who has one authority has its disk and the key file that opens it:
// stolen returns its signing key, stolenShare its share of a master.
func stolen(t testing.TB, m *authoritytest.Member) ed25519.PrivateKey {
	t.Helper()
	r := encoding.Open(unsealed(t, m, filepath.Join(m.Dir, "keys.sealed"), "authority keys"), "milagro/v1 authority keys")
	seed := r.Fixed(ed25519.SeedSize)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func stolenShare(t testing.TB, m *authoritytest.Member, g keys.Generation) keys.MasterShare {
	t.Helper()
	share, err := keys.ParseMasterShare(unsealed(t, m, shareFile(m, g), sharePurpose(g)))
	if err != nil {
		t.Fatal(err)
	}
	return share
}

func shareFile(m *authoritytest.Member, g keys.Generation) string {
	return filepath.Join(m.Dir, "shares", "1-"+hex.EncodeToString(g.Hash[:])+".share")
}

func sharePurpose(g keys.Generation) string { return "master share " + hex.EncodeToString(g.Bytes()) }

func unsealed(t testing.TB, m *authoritytest.Member, path, purpose string) []byte {
	t.Helper()
	protector, err := custody.FromKeyFile(m.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := custody.ReadSecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := protector.Open(sealed, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// same fails the test unless an authority said again what it said before.
func same(t testing.TB, before, again []byte) {
	t.Helper()
	if len(before) == 0 || !bytes.Equal(before, again) {
		t.Errorf("said %x, now %x", before, again)
	}
}
