package dta

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/words"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// enrolmentVectors are by what a case of each kind is read.
var enrolmentVectors = map[string]func(*testing.T, spec.Case) error{
	"registration": registrationVector, "evidence": voucherEvidenceVector, "invitation": invitationVector, "words": wordsVector,
}

func TestEnrolmentVectors(t *testing.T) {
	p := spectest.Load(t, "enrolment")
	for _, c := range p.Accept {
		if err := enrolmentVectors[c["what"]](t, c); err != nil {
			t.Errorf("%s: %v", c["what"], err)
		}
	}
	for _, c := range p.Refuse {
		err := enrolmentVectors[c["what"]](t, c)
		if c["check"] == "authority" { // genuine, and refused by package authority
			if errors.Is(err, ErrRegistration) {
				t.Errorf("%s: %v", c["reason"], err)
			}
			continue
		}
		if !errors.Is(err, ErrRegistration) && !errors.Is(err, encoding.ErrEncoding) && !errors.Is(err, ErrInvitation) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func registrationVector(t *testing.T, c spec.Case) error {
	key := ed25519.PublicKey(spectest.Bytes(t, c["key"]))
	r, at, err := ParseRegistration([]ed25519.PublicKey{make([]byte, 32), key}, spectest.Bytes(t, c["registration"]))
	if err != nil {
		return err
	}
	if at != 1 {
		t.Errorf("signed by key %d", at)
	}
	if hex.EncodeToString(r.Domain[:]) != c["domainID"] || hex.EncodeToString(r.Service[:]) != c["serviceID"] || strconv.Itoa(int(r.Index)) != c["index"] ||
		r.Name.String() != c["name"] || r.Device.String() != c["device"] || fmt.Sprint(r.Time) != c["time"] || fmt.Sprint(r.Expiry) != c["expiry"] ||
		hex.EncodeToString(r.Nonce[:]) != c["nonce"] {
		return errVector
	}
	return nil
}

func voucherEvidenceVector(t *testing.T, c spec.Case) error {
	b := spectest.Bytes(t, c["evidence"])
	envelope, code, err := ParseVoucherEvidence(b)
	if err != nil {
		return err
	}
	again, err := VoucherEvidence(envelope, code)
	if err != nil || !bytes.Equal(again, b) || hex.EncodeToString(envelope) != c["registration"] || code != c["code"] {
		return errVector
	}
	kind, err := EvidenceKind(b)
	if err != nil || kind != kindVoucher {
		return errVector
	}
	return nil
}

func invitationVector(t *testing.T, c spec.Case) error {
	i, err := ParseInvitation(c["link"])
	if err != nil {
		return err
	}
	if i.Link() != c["link"] || i.Origin != c["origin"] || base64.RawURLEncoding.EncodeToString(i.Token[:]) != c["token"] {
		return errVector
	}
	device, err := identity.ParseDevice(spectest.Bytes(t, c["spki"]))
	if err != nil {
		return err
	}
	hash := InvitationHash(i.Token)
	digest := EnrolDigest(hash, identity.ServiceID(spectest.Bytes(t, c["serviceID"])), device)
	if hex.EncodeToString(hash[:]) != c["hash"] || hex.EncodeToString(digest[:]) != c["digest"] {
		return errVector
	}
	return nil
}

func wordsVector(t *testing.T, c spec.Case) error {
	if words.OfDevice([32]byte(spectest.Bytes(t, c["device"]))) != c["words"] {
		return errVector
	}
	return nil
}

// TestRefusedInvitationsAreNotRepeated: a link in an error may be in a log.
func TestRefusedInvitationsAreNotRepeated(t *testing.T) {
	const token = "R29vZEludml0YXRpb24tdGhhdC1pcy1ub3QtcmVhbA"
	for _, link := range []string{"https://login.example.org/signin#" + token, "https://login.example.org/enrol#" + token + "!"} {
		if _, err := ParseInvitation(link); err == nil || bytes.Contains([]byte(err.Error()), []byte(token)) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzVoucherEvidence(f *testing.F) {
	for _, c := range spectest.Load(f, "enrolment").Accept {
		if c["what"] == "evidence" {
			f.Add(spectest.Bytes(f, c["evidence"]))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		envelope, code, err := ParseVoucherEvidence(b)
		if err != nil {
			return
		}
		if again, err := VoucherEvidence(envelope, code); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x becomes %x, %v", b, again, err)
		}
	})
}

func FuzzRegistration(f *testing.F) {
	p := spectest.Load(f, "enrolment")
	for _, c := range append(p.Accept, p.Refuse...) {
		if c["what"] == "registration" {
			f.Add(spectest.Bytes(f, c["registration"]))
		}
	}
	key := ed25519.PublicKey(spectest.Bytes(f, p.Accept[0]["key"]))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := ParseRegistration([]ed25519.PublicKey{key}, b)
		if err != nil {
			return
		}
		private := ed25519.NewKeyFromSeed(make([]byte, 32))
		same, _, err := ParseRegistration([]ed25519.PublicKey{private.Public().(ed25519.PublicKey)}, r.Sign(private))
		if err != nil || same != r {
			t.Errorf("%+v becomes %+v, %v", r, same, err)
		}
	})
}
