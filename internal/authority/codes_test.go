package authority_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

const api = "spiffe://example.org/api"

// TestCodeIsUsedOnce has many devices show one code at once, a few times over.
func TestCodeIsUsedOnce(t *testing.T) {
	const rounds, devices = 2, 24
	d := limited(t, at(noon()), authority.Limits{})
	for round := range rounds {
		a := newApplicant(t, d, fmt.Sprintf("spiffe://example.org/raced/%d", round))
		code := d.Codes(t, a.name, identity.Channel)[1]
		winners, losers := race(t, a, code, devices)
		if len(winners) != 1 {
			t.Fatalf("%d devices got a share for one code", len(winners))
		}
		if err := d.Members[0].Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused(t, losers[0].ask(t, 1, withCode(code)), problem.CodeUsed)
		refused(t, winners[0].ask(t, 1, withCode(code)), problem.CodeUsed)
		refused(t, losers[0].ask(t, 1, nil), problem.NotEnrolled)
		if err := winners[0].ask(t, 1, nil); err != nil {
			t.Error("the winner renews:", err)
		}
		if n := issued(t, d.Members[0]); n != int64(2*(round+1)) {
			t.Errorf("%d rows in the log after %d codes and as many renewals", n, round+1)
		}
	}
}

// race has so many devices of a's name show a code at authority 1 at once.
func race(t *testing.T, a *applicant, code dta.Code, devices int) (winners, losers []*applicant) {
	t.Helper()
	runners, requests := make([]*applicant, devices), make([]*asked, devices)
	for i := range runners {
		runners[i] = &applicant{domain: a.domain, name: a.name, device: newDevice(t)}
		requests[i] = runners[i].request(t, 1, withCode(code))
	}
	errs := make([]error, devices)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, q := range requests {
		all.Go(func() {
			<-start
			_, errs[i] = q.send(t.Context())
		})
	}
	close(start)
	all.Wait()
	for i, err := range errs {
		if err == nil {
			winners = append(winners, runners[i])
			continue
		}
		refused(t, err, problem.CodeUsed)
		losers = append(losers, runners[i])
	}
	return winners, losers
}

func TestCodeOfAnotherIndexIsRefused(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	codes := d.Codes(t, a.name, identity.Channel)
	refused(t, a.ask(t, 2, withCode(codes[1])), problem.CodeWrongAuthority)
	refused(t, a.ask(t, 1, withCode(codes[3])), problem.CodeWrongAuthority)
	// The first code's 80 bits are worth nothing under another number, even
	// with the check characters that belong there.
	moved := underIndex(t, codes[1], 2)
	if moved.Index() != 2 {
		t.Fatal("not moved")
	}
	refused(t, a.ask(t, 2, withCode(moved)), problem.CodeUnknown)
	for i, m := range d.Members {
		if n := issued(t, m); n != 0 {
			t.Errorf("authority %d issued %d shares", i+1, n)
		}
	}
	for index, code := range codes {
		if err := a.ask(t, index, withCode(code)); err != nil {
			t.Errorf("the code that was shown elsewhere is spent at authority %d: %v", index, err)
		}
	}
}

// secretOf returns the 80 bits of a code.
func secretOf(t *testing.T, code dta.Code) []byte {
	t.Helper()
	_, rest, _ := strings.Cut(strings.ReplaceAll(code.Canonical(), "-", " "), " ")
	secret, err := crockford().DecodeString(strings.ReplaceAll(rest, " ", "")[:16])
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func crockford() *base32.Encoding {
	return base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)
}

// underIndex returns the code with the same 80 bits of another authority.
func underIndex(t *testing.T, code dta.Code, index uint32) dta.Code {
	t.Helper()
	secret := secretOf(t, code)
	check := sha256.Sum256(encoding.LP("milagro/v1 code check", encoding.U32(index), secret))
	moved, err := dta.ParseCode(fmt.Sprintf("%d-%s%s", index, crockford().EncodeToString(secret), crockford().EncodeToString(check[:])[:2]))
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

func TestCodeExpires(t *testing.T) {
	c := at(noon())
	d := limited(t, c, authority.Limits{})
	a, late := newApplicant(t, d, web), newApplicant(t, d, api)
	codes, lateCodes := d.Codes(t, a.name, identity.Channel), d.Codes(t, late.name, identity.Channel)
	c.forward(59 * time.Minute) // they expire an hour after they were made
	if err := a.ask(t, 1, withCode(codes[1])); err != nil {
		t.Error("before the end:", err)
	}
	c.forward(time.Minute)
	refused(t, late.ask(t, 1, withCode(lateCodes[1])), problem.CodeExpired)
	refused(t, a.ask(t, 1, withCode(codes[1])), problem.CodeUsed)
	if n := issued(t, d.Members[0]); n != 1 {
		t.Errorf("%d shares issued", n)
	}
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("an enrolment outlives its code:", err)
	}
}

// TestCodeShownWronglyIsNotSpent shows a code for what it was not made for, and
// texts that resemble it.
func TestCodeShownWronglyIsNotSpent(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	a := newApplicant(t, d, web)
	code := d.Codes(t, a.name, identity.Channel)[1]
	text := code.Canonical()
	mistyped := text[:len(text)-1] + "0"
	if mistyped == text {
		mistyped = text[:len(text)-1] + "1"
	}
	evidence := func(kind, shown string) func(*dta.Request) {
		return func(q *dta.Request) {
			q.Evidence = encoding.LP("milagro/v1 evidence", []byte(kind), []byte(shown))
		}
	}
	for name, c := range map[string]struct {
		kind problem.Kind
		edit func(*dta.Request)
	}{
		"other name": {problem.NameRefused, func(q *dta.Request) { withCode(code)(q); q.Key.Name = mustName(t, api) }},
		"path below": {problem.NameRefused, func(q *dta.Request) { withCode(code)(q); q.Key.Name = mustName(t, web+"/x") }},
		"other purpose": {problem.PurposeRefused, func(q *dta.Request) {
			withCode(code)(q)
			q.Key.Purpose = identity.Decrypt
		}},
		"unknown":        {problem.CodeUnknown, withCode(dta.NewCode(1))},
		"mistyped":       {problem.CodeUnknown, evidence("code", mistyped)},
		"lower case":     {problem.CodeUnknown, evidence("code", strings.ToLower(text))},
		"a space":        {problem.CodeUnknown, evidence("code", text+" ")},
		"no hyphens":     {problem.CodeUnknown, evidence("code", text[:2]+strings.ReplaceAll(text[2:], "-", ""))},
		"no text":        {problem.CodeUnknown, evidence("code", "")},
		"index 0":        {problem.CodeUnknown, evidence("code", "0"+text[1:])},
		"index 17":       {problem.CodeUnknown, evidence("code", "17"+text[1:])},
		"another kind":   {problem.Malformed, evidence("oidc", text)},
		"text alone":     {problem.Malformed, func(q *dta.Request) { q.Evidence = []byte(text) }},
		"bytes after it": {problem.Malformed, func(q *dta.Request) { q.Evidence = append(dta.CodeEvidence(code), 0) }},
		"long text":      {problem.Malformed, evidence("code", strings.Repeat(text, 500))},
	} {
		t.Run(name, func(t *testing.T) { refused(t, a.ask(t, 1, c.edit), c.kind) })
	}
	if n := issued(t, d.Members[0]); n != 0 {
		t.Errorf("%d shares issued", n)
	}
	if err := a.ask(t, 1, withCode(code)); err != nil {
		t.Error("the code is spent:", err)
	}
}

func TestRevokedCodesAreUnknown(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	a, b := newApplicant(t, d, web), newApplicant(t, d, api)
	one, two := d.Codes(t, a.name, identity.Channel)[1], d.Codes(t, a.name, identity.Decrypt)[1]
	other := d.Codes(t, b.name, identity.Channel)[1]
	revoked, err := d.Members[0].Operator().Revoke(t.Context(), a.name, nil)
	if err != nil || revoked.Codes != 2 || revoked.Enrolments != 0 {
		t.Fatal(revoked, err)
	}
	if err := d.Members[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(t, a.ask(t, 1, withCode(one)), problem.CodeUnknown)
	refused(t, a.ask(t, 1, func(q *dta.Request) { withCode(two)(q); q.Key.Purpose = identity.Decrypt }), problem.CodeUnknown)
	if err := b.ask(t, 1, withCode(other)); err != nil {
		t.Error("another name's code:", err)
	}
	fresh := d.Codes(t, a.name, identity.Channel)[1]
	if err := a.ask(t, 1, withCode(fresh)); err != nil {
		t.Error("a code made after the revocation:", err)
	}
}

// TestCodesAreNotStored looks for codes, waiting and used, in every file of the
// authority's directory while it runs, and in a backup.
func TestCodesAreNotStored(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	a := newApplicant(t, d, web)
	used, waiting := d.Codes(t, a.name, identity.Channel)[1], d.Codes(t, a.name, identity.Channel)[1]
	if err := a.ask(t, 1, withCode(used)); err != nil {
		t.Fatal(err)
	}
	m := d.Members[0]
	running := filesIn(t, m.Dir)
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	for where, files := range map[string]map[string][]byte{"running": running, "stopped": filesIn(t, m.Dir), "backup": backupOf(t, m)} {
		for _, code := range []dta.Code{used, waiting} {
			hash := code.Hash()
			if len(filesWith(files, hash[:])) == 0 {
				t.Errorf("%s: the search does not see the hash of a code, which is stored", where)
			}
			for form, bytes := range formsOfCode(t, code) {
				if in := filesWith(files, bytes); len(in) > 0 {
					t.Errorf("%s: a code lies as %s in %v", where, form, in)
				}
			}
		}
	}
}

// formsOfCode returns the ways in which a code could be written down.
func formsOfCode(t *testing.T, code dta.Code) map[string][]byte {
	t.Helper()
	text, secret := code.Canonical(), secretOf(t, code)
	digits := strings.ReplaceAll(text, "-", "")[1:]
	return map[string][]byte{
		"text": []byte(text[2:]), "text without check": []byte(text[2:21]), "digits": []byte(digits[:16]),
		"lower case": []byte(strings.ToLower(text[2:21])), "bytes": secret, "hex": []byte(hex.EncodeToString(secret)),
		"base64": []byte(base64.RawStdEncoding.EncodeToString(secret)), "base64 of text": []byte(base64.RawStdEncoding.EncodeToString([]byte(text))),
	}
}

// filesIn returns the contents of every regular file below dir.
func filesIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func filesWith(files map[string][]byte, needle []byte) (paths []string) {
	for path, content := range files {
		if bytes.Contains(content, needle) {
			paths = append(paths, filepath.Base(path))
		}
	}
	return paths
}

// backupOf returns a backup of the state of an authority that is down.
func backupOf(t *testing.T, m *authoritytest.Member) map[string][]byte {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(m.Dir, "state.db"), Schema: store.Authority()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir := t.TempDir()
	if err := db.Backup(t.Context(), filepath.Join(dir, "backup.db")); err != nil {
		t.Fatal(err)
	}
	return filesIn(t, dir)
}
