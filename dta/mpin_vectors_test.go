package dta

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// loginVectors returns by what a case of each kind is read, under the page's
// document; others are read in packages mpin, wallet, login and authority.
var loginVectors = map[string]func(*testing.T, *Document, spec.Case) error{
	"document": loginDocumentVector, "login card": loginCardVector, "voucher": voucherVector, "notice": noticeVector,
	"server key request": serverKeyRequestVector, "server key share": serverKeyShareVector, "server key": serverKeyVector, "succession": successionVector,
}

var errVector = errors.New("differs from the vector")

func TestLoginVectors(t *testing.T) {
	p := spectest.Load(t, "mpin")
	at := slices.IndexFunc(p.Accept, func(c spec.Case) bool { return c["what"] == "document" })
	document := vectorDocument(t, p.Accept[at])
	elsewhere := []string{"pin", "token", "points", "transcript", "login", "batch", "row", "operator approval", "login statement"}
	for _, c := range p.Accept {
		read := loginVectors[c["what"]]
		if read == nil && !slices.Contains(elsewhere, c["what"]) {
			t.Errorf("nobody reads %q", c["what"])
		}
		if read != nil {
			if err := read(t, document, c); err != nil {
				t.Errorf("%s: %v", c["what"], err)
			}
		}
	}
	refusals := []error{ErrDocument, ErrLoginServer, ErrReply, keys.ErrShare, keys.ErrKey, keys.ErrThreshold, encoding.ErrEncoding, identity.ErrPossession}
	for _, c := range p.Refuse {
		read := loginVectors[c["what"]]
		if read == nil {
			continue
		}
		under := document
		if c["document"] != "" && c["what"] != "document" {
			under = vectorDocument(t, c)
		}
		err := read(t, under, c)
		if c["check"] == "authority" { // good bytes and signatures, which package authority refuses
			if err != nil {
				t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
			}
			continue
		}
		if !slices.ContainsFunc(refusals, func(want error) bool { return errors.Is(err, want) }) {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

// says returns an error unless each pair of got and want is the same.
func says(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != pairs[i+1] {
			return fmt.Errorf("%w: %s, want %s", errVector, pairs[i], pairs[i+1])
		}
	}
	return nil
}

func loginDocumentVector(t *testing.T, _ *Document, c spec.Case) error {
	d, err := ParseDocument(spectest.Bytes(t, c["document"]))
	if err != nil {
		return err
	}
	s, ok := d.Service("login")
	id := d.ServiceID(s)
	byID, found := d.ServiceByID(id)
	if !ok || !found || !byID.Equal(s) || len(d.Services()) != 1 {
		return fmt.Errorf("%w: services %v", errVector, d.Services())
	}
	fingerprint := s.CardFingerprint()
	return says(hex.EncodeToString(id[:]), c["serviceID"], hex.EncodeToString(fingerprint[:]), c["fingerprint"])
}

func loginCardVector(t *testing.T, _ *Document, c spec.Case) error {
	b := spectest.Bytes(t, c["card"])
	card, err := ParseLoginCard(b)
	if err != nil {
		return err
	}
	fingerprint := card.Fingerprint()
	return says(hex.EncodeToString(fingerprint[:]), c["fingerprint"], card.Service, c["service"], card.Origin, c["origin"], hex.EncodeToString(card.Ed25519), c["key"], string(card.Bytes()), string(b))
}

func voucherVector(t *testing.T, _ *Document, c spec.Case) error {
	v, err := ParseVoucher(spectest.Bytes(t, c["key"]), spectest.Bytes(t, c["voucher"]))
	if err != nil {
		return err
	}
	return says(hex.EncodeToString(v.Domain[:]), c["domainID"], hex.EncodeToString(v.Service[:]), c["serviceID"], fmt.Sprint(v.Index), c["index"], v.Name.String(), c["name"],
		v.Old.String(), c["old"], v.New.String(), c["new"], fmt.Sprint(v.Time), c["time"], hex.EncodeToString(v.Nonce[:]), c["nonce"])
}

func noticeVector(t *testing.T, d *Document, c spec.Case) error {
	n, err := ParseNotice(d, spectest.Bytes(t, c["notice"]))
	if err != nil {
		return err
	}
	return says(hex.EncodeToString(n.Domain[:]), c["domainID"], hex.EncodeToString(n.Service[:]), c["serviceID"], n.Name.String(), c["name"], n.Device.String(), c["device"], fmt.Sprint(n.Time), c["time"])
}

func serverKeyRequestVector(t *testing.T, d *Document, c spec.Case) error {
	q, s, err := ParseServerKeyRequest(d, spectest.Bytes(t, c["request"]))
	if err != nil {
		return err
	}
	return says(hex.EncodeToString(q.Domain[:]), c["domainID"], hex.EncodeToString(q.Service[:]), c["serviceID"], hex.EncodeToString(q.Generation.Bytes()), c["generation"], fmt.Sprint(q.Index), c["index"],
		hex.EncodeToString(q.ReplyKey.Bytes()), c["replyKey"], fmt.Sprint(q.Time), c["time"], hex.EncodeToString(q.Nonce[:]), c["nonce"], s.Name, "login")
}

func serverKeyShareVector(t *testing.T, d *Document, c spec.Case) error {
	request, key := spectest.Bytes(t, c["request"]), vectorBox(t, c)
	q, s, err := ParseServerKeyRequest(d, request)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := d.Authority(q.Index)
	signed := spectest.Bytes(t, c["signed"])
	sealed, err := seal(key.PublicKey(), serverKeyInfo(q, sha256.Sum256(request)), signed)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{sealed, spectest.Bytes(t, c["sealed"])} {
		if len(b) == 0 {
			continue
		}
		share, err := q.OpenServerShare(a, s, key, request, b)
		if err != nil {
			return err
		}
		if err := says(hex.EncodeToString(share.Expose()), c["share"]); err != nil {
			return err
		}
	}
	return nil
}

func serverKeyVector(t *testing.T, _ *Document, c spec.Case) error {
	var shares []keys.ServerShare
	for part := range strings.SplitSeq(c["shares"], ",") {
		index, point, _ := strings.Cut(part, ":")
		share, err := keys.ParseServerShare(uint32(spectest.Number(t, index)), keys.Generation{}, spectest.Bytes(t, point))
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	key, err := keys.CombineServer(int(spectest.Number(t, c["threshold"])), shares)
	if err != nil {
		return err
	}
	master, err := keys.ParsePinMaster(spectest.Bytes(t, c["master"]))
	if err != nil {
		t.Fatal(err)
	}
	return errors.Join(key.Verify(master), says(hex.EncodeToString(key.Expose()), c["key"]))
}

func successionVector(t *testing.T, _ *Document, c spec.Case) error {
	r := encoding.Open(spectest.Bytes(t, c["request"]), signedRequestLabel)
	q, err := parseRequest(r.Bytes(maxRequestBody), r.Bytes(maxEvidence))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseSuccession(spectest.Bytes(t, c["key"]), q)
	if err != nil {
		return err
	}
	bare, digest := q.BareHash(), successionDigest(spectest.Bytes(t, c["voucher"]), q)
	kind, err := EvidenceKind(q.Evidence)
	if err != nil || !bytes.Contains(q.Evidence, spectest.Bytes(t, c["voucher"])) || (c["reason"] == "" && v.New != q.Device.Hash()) {
		return fmt.Errorf("%w: %v", errVector, err)
	}
	return says(kind, "succession", hex.EncodeToString(bare[:]), c["bare"], hex.EncodeToString(digest[:]), c["digest"])
}
