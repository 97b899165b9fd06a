package mpin

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// vectors returns by what a case of each kind is read; those of dta are read there.
var vectors = map[string]func(*testing.T, spec.Case) error{
	"pin": pinVector, "token": tokenVector, "points": pointsVector, "transcript": transcriptVector, "login": loginVector, "batch": batchVector, "row": rowVector,
}

var errDiffers = errors.New("differs from the vector")

func TestMPinVectors(t *testing.T) {
	p := spectest.Load(t, "mpin")
	for _, c := range p.Accept {
		if read := vectors[c["what"]]; read != nil {
			if err := read(t, c); err != nil {
				t.Errorf("%s of %s: %v", c["what"], c["name"], err)
			}
		}
	}
	refusals := []error{ErrPIN, ErrParams, ErrTranscript, ErrRefused, errSalt, errWidth, errElsewhere, identity.ErrPossession, identity.ErrDevice}
	for _, c := range p.Refuse {
		read := vectors[c["what"]]
		if read == nil {
			continue
		}
		err := read(t, c)
		if !slices.ContainsFunc(refusals, func(want error) bool { return errors.Is(err, want) }) {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

// same returns an error unless got is what the case says in a field.
func same(c spec.Case, field string, got []byte) error {
	if hex.EncodeToString(got) != c[field] {
		return fmt.Errorf("%s %w: %x", field, errDiffers, got)
	}
	return nil
}

// The reasons to refuse that this package does not give: its types have no room for a
// salt, a V or a signature of another length, and it does not read statements.
var (
	errSalt      = errors.New("not a salt")
	errWidth     = errors.New("not a proof")
	errElsewhere = errors.New("refused by another package")
)

func pinVector(t *testing.T, c spec.Case) error {
	salt := spectest.Bytes(t, c["salt"])
	if len(salt) != SaltSize {
		return errSalt
	}
	p := Params{Memory: uint32(spectest.Number(t, c["memory"])), Time: uint32(spectest.Number(t, c["passes"])), Threads: uint8(spectest.Number(t, c["threads"]))}
	f, err := Stretch([]byte(c["pin"]), [SaltSize]byte(salt), p)
	if err != nil {
		return err
	}
	direct, err := newFactor(spectest.Bytes(t, c["stretched"]))
	return errors.Join(err, same(c, "alpha", f.alpha.Expose()), same(c, "alpha", direct.alpha.Expose()))
}

func vectorFactor(t *testing.T, c spec.Case) Factor {
	t.Helper()
	return Factor{must[pairing.Secret](t)(pairing.ParseSecret(spectest.Bytes(t, c["alpha"])))}
}

func tokenVector(t *testing.T, c spec.Case) error {
	var shares []keys.Share
	for part := range strings.SplitSeq(c["shares"], ",") {
		index, point, _ := strings.Cut(part, ":")
		shares = append(shares, must[keys.Share](t)(keys.ParseShare(uint32(spectest.Number(t, index)), keys.Generation{}, spectest.Bytes(t, point))))
	}
	threshold := int(spectest.Number(t, c["threshold"]))
	part := must[pairing.G1](t)(pairing.ParseG1(spectest.Bytes(t, c["a"]))).MulSecret(vectorFactor(t, c).alpha)
	token, err := keys.CombineLess(threshold, shares, part)
	if err != nil {
		return err
	}
	return errors.Join(same(c, "token", token.Expose()), same(c, "key", token.Secret().Add(part).Expose()))
}

// vectorLogin returns the login whose fields a case has.
func vectorLogin(t *testing.T, c spec.Case) Login {
	t.Helper()
	l := Login{Domain: identity.DomainID(spectest.Bytes(t, c["domainID"])), Service: identity.ServiceID(spectest.Bytes(t, c["serviceID"])), Origin: c["origin"],
		Name: must[identity.Name](t)(identity.ParseName(c["name"])), Device: must[identity.Device](t)(identity.ParseDevice(spectest.Bytes(t, c["spki"]))),
		Epoch: must[identity.Epoch](t)(identity.ParseEpoch(spectest.Bytes(t, c["epoch"])))}
	if c["channelKind"] == "1" {
		l.Channel = must[Channel](t)(Exporter(spectest.Bytes(t, c["channel"])))
	}
	l.Intent = must[Intent](t)(ParseIntent(spectest.Bytes(t, c["intent"])))
	return l
}

func pointsVector(t *testing.T, c spec.Case) error {
	a, b, err := vectorLogin(t, c).points()
	return errors.Join(err, same(c, "a", a.Bytes()), same(c, "permit", b.Sub(a).Bytes()), same(c, "b", b.Bytes()))
}

// vectorTranscript is made of the case's fields as a server makes it, but for a U
// that ParseCommitment would refuse: Verify looks at it again.
func vectorTranscript(t *testing.T, c spec.Case) Transcript {
	t.Helper()
	u := Commitment{bytes: [pairing.G1Size]byte(spectest.Bytes(t, c["u"]))}
	challenge := Challenge{Session: [SessionSize]byte(spectest.Bytes(t, c["session"])), Nonce: [NonceSize]byte(spectest.Bytes(t, c["nonce"]))}
	return must[Transcript](t)(vectorLogin(t, c).Transcript(u, challenge))
}

func transcriptVector(t *testing.T, c spec.Case) error {
	tr, err := ParseTranscript(spectest.Bytes(t, c["transcript"]))
	if err != nil {
		return err
	}
	if c["reason"] != "" {
		return nil // parsed, and must not have been
	}
	y := must[pairing.Scalar](t)(tr.y())
	return errors.Join(same(c, "transcript", tr.Bytes()), same(c, "transcript", vectorTranscript(t, c).Bytes()), same(c, "y", y.Bytes()))
}

func loginVector(t *testing.T, c spec.Case) error {
	tr := vectorTranscript(t, c)
	v, signature := spectest.Bytes(t, c["v"]), spectest.Bytes(t, c["signature"])
	digest := tr.digest(v)
	if err := errors.Join(same(c, "transcript", tr.Bytes()), same(c, "digest", digest[:])); err != nil {
		return err
	}
	if malformed := len(v) != pairing.G1Size || len(signature) != identity.SignatureSize; malformed || c["check"] == "malformed" {
		if !malformed || c["check"] != "malformed" {
			t.Errorf("%s: v has %d bytes, the signature %d", c["reason"], len(v), len(signature))
		}
		return errWidth
	}
	device := tr.login.Device.Verify(digest, signature)
	if (c["check"] == "signature") != (device != nil) {
		t.Errorf("%s: the device's signature: %v", c["reason"], device)
	}
	server := must[keys.ServerKey](t)(keys.ParseServerKey(spectest.Bytes(t, c["serverKey"])))
	proof := Verify(server, tr, [pairing.G1Size]byte(v))
	if c["check"] == "proof" && proof == nil {
		t.Errorf("%s: the proof is accepted", c["reason"])
	}
	if single := VerifyBatch(server, []Transcript{tr}, [][pairing.G1Size]byte{[pairing.G1Size]byte(v)}); (len(single) == 0) != (proof == nil) {
		t.Errorf("%s: a batch of it says %v", c["reason"], single)
	}
	if c["x"] != "" {
		if err := remake(t, c, tr); err != nil {
			t.Errorf("login of %s %s: %v", c["name"], c["reason"], err)
		}
	}
	return errors.Join(device, proof)
}

// remake answers the transcript with the case's secrets.
func remake(t *testing.T, c spec.Case, tr Transcript) error {
	token := must[keys.Private](t)(keys.ParsePrivate(spectest.Bytes(t, c["token"])))
	permit := must[keys.Private](t)(keys.ParsePrivate(spectest.Bytes(t, c["permit"])))
	a, b, err := tr.login.points()
	if err != nil {
		return err
	}
	x := must[pairing.Secret](t)(pairing.ParseSecret(spectest.Bytes(t, c["x"])))
	key := token.Secret().Add(a.MulSecret(vectorFactor(t, c).alpha)).Add(permit.Secret())
	attempt := &Attempt{login: tr.login, signer: newDevice(t), key: key, x: x}
	if attempt.commitment, err = ParseCommitment(b.MulSecret(x).Expose()); err != nil {
		return err
	}
	if !bytes.Equal(attempt.Commitment().Bytes(), tr.commitment.Bytes()) {
		return fmt.Errorf("U %w: %x", errDiffers, attempt.Commitment().Bytes())
	}
	proof, err := attempt.Finish(tr.challenge)
	return errors.Join(err, same(c, "v", proof.V[:]))
}

func batchVector(t *testing.T, c spec.Case) error {
	var transcripts []Transcript
	var vs [][pairing.G1Size]byte
	for _, b := range spectest.List(t, c["transcripts"]) {
		transcripts = append(transcripts, must[Transcript](t)(ParseTranscript(b)))
	}
	for _, b := range spectest.List(t, c["vs"]) {
		vs = append(vs, [pairing.G1Size]byte(b))
	}
	bad := VerifyBatch(must[keys.ServerKey](t)(keys.ParseServerKey(spectest.Bytes(t, c["serverKey"]))), transcripts, vs)
	if text := strings.Trim(strings.ReplaceAll(fmt.Sprint(bad), " ", ","), "[]"); text != c["bad"] {
		return fmt.Errorf("bad %w: %s", errDiffers, text)
	}
	if len(bad) > 0 {
		return ErrRefused
	}
	return nil
}

// rowVector looks at the device's signature; time and statements are read in package
// login.
func rowVector(t *testing.T, c spec.Case) error {
	s := Service{Domain: identity.DomainID(spectest.Bytes(t, c["domainID"])), ID: identity.ServiceID(spectest.Bytes(t, c["serviceID"])), Origin: c["origin"]}
	q := RowRequest{Device: spectest.Bytes(t, c["spki"]), Time: spectest.Number(t, c["time"]), Statements: spectest.List(t, c["statements"]), Signature: spectest.Bytes(t, c["signature"])}
	digest := s.rowDigest(q)
	if err := same(c, "digest", digest[:]); err != nil {
		return err
	}
	_, err := s.VerifyRow(q)
	want := map[string]error{"malformed": identity.ErrDevice, "signature": identity.ErrPossession}[c["check"]]
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", c["reason"], err, want)
	}
	if c["check"] == "time" || c["check"] == "statements" {
		return errElsewhere
	}
	return err
}
