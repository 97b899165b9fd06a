package dta

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

func TestServerKeyRequestIsItsServicesWord(t *testing.T) {
	l, other := newLoginDomain(t), newLoginDomain(t)
	want, signed, _ := l.ask(t, 2)
	got, s, err := ParseServerKeyRequest(l.doc, signed)
	if err != nil || !bytes.Equal(got.Sign(l.signer), signed) || !s.Equal(l.login) || got.Index != want.Index || got.Nonce != want.Nonce || got.Time != want.Time {
		t.Errorf("read as %+v of %s, %v", got, s.Name, err)
	}
	foreign, nobodys := want, want
	foreign.Domain[0]++
	nobodys.Service[0]++
	_, theirs, _ := other.ask(t, 2)
	for name, b := range map[string][]byte{
		"signed by an authority": want.Sign(l.signing[1]), "signed by another login server": want.Sign(other.signer), "of another domain": foreign.Sign(l.signer),
		"of another domain's service": theirs, "of a service that is nobody's": nobodys.Sign(l.signer), "a notice": Notice{Domain: l.doc.ID(), Service: l.id, Name: mustName(t, "acct:a@example.org")}.Sign(l.signer),
		"empty": nil, "truncated": signed[:len(signed)-1], "too long": append(slices.Clone(signed), 0),
	} {
		if _, _, err := ParseServerKeyRequest(l.doc, b); !errors.Is(err, ErrLoginServer) {
			t.Errorf("request %s: %v", name, err)
		}
	}
	for i := 0; i < len(signed); i += 7 {
		bad := slices.Clone(signed)
		bad[i] ^= 1
		if _, _, err := ParseServerKeyRequest(l.doc, bad); !errors.Is(err, ErrLoginServer) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

func TestAnyThresholdServerSharesMakeTheServerKey(t *testing.T) {
	l := newLoginDomain(t)
	var shares []keys.ServerShare
	for _, index := range []uint32{3, 1} {
		q, request, reply := l.ask(t, index)
		sealed, err := q.SealServerShare(l.signing[index-1], request, l.pins[index-1].ServerShare())
		if err != nil {
			t.Fatal(err)
		}
		share, err := q.OpenServerShare(l.authority(t, index), l.login, reply, request, sealed)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	key, err := keys.CombineServer(2, shares)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(l.login.Master); err != nil {
		t.Error(err)
	}
}

// TestServerShareOpensWithItsReplyKeyOnly is an enemy who recorded the reply and later
// holds everything else that the login server and the authority ever had.
func TestServerShareOpensWithItsReplyKeyOnly(t *testing.T) {
	l := newLoginDomain(t)
	q, request, reply := l.ask(t, 1)
	a := l.authority(t, 1)
	sealed, err := q.SealServerShare(l.signing[0], request, l.pins[0].ServerShare())
	if err != nil {
		t.Fatal(err)
	}
	share, err := q.OpenServerShare(a, l.login, reply, request, sealed)
	if err != nil || !bytes.Equal(share.Expose(), l.pins[0].ServerShare().Expose()) || share.Index() != 1 || share.Generation() != l.login.Generation {
		t.Errorf("opened as share %d: %v", share.Index(), err)
	}
	if bytes.Contains(sealed, share.Expose()) || bytes.Contains(sealed, share.Expose()[8:24]) {
		t.Error("the share travels in clear")
	}
	again, _, later := l.ask(t, 1)
	for name, key := range map[string]hpke.PrivateKey{"a later reply key": later, "the authority's own key": l.opening[0], "another authority's": l.opening[1]} {
		if _, err := q.OpenServerShare(a, l.login, key, request, sealed); !errors.Is(err, ErrReply) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := again.OpenServerShare(a, l.login, reply, again.Sign(l.signer), sealed); !errors.Is(err, ErrReply) {
		t.Errorf("for another request: %v", err)
	}
	if _, err := q.OpenServerShare(l.authority(t, 2), l.login, reply, request, sealed); !errors.Is(err, ErrReply) {
		t.Errorf("as another authority's: %v", err)
	}
	for i := 0; i < len(sealed); i += 31 {
		bad := slices.Clone(sealed)
		bad[i] ^= 0x80
		if _, err := q.OpenServerShare(a, l.login, reply, request, bad); !errors.Is(err, ErrReply) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

// TestFalseServerSharesAreRefused seals and signs as authority 1 would, what it should
// not.
func TestFalseServerSharesAreRefused(t *testing.T) {
	l := newLoginDomain(t)
	q, request, reply := l.ask(t, 1)
	hash := sha256.Sum256(request)
	body := func(edit func(*ServerKeyRequest), hash [32]byte, point []byte) []byte {
		other := q
		edit(&other)
		return encoding.LP(serverKeyShareLabel, other.Domain[:], other.Service[:], other.Generation.Bytes(), encoding.U32(other.Index), hash[:], point)
	}
	same := func(*ServerKeyRequest) {}
	good := l.pins[0].ServerShare().Expose()
	open := func(signed []byte) error {
		sealed, err := seal(q.ReplyKey, serverKeyInfo(q, hash), signed)
		if err != nil {
			t.Fatal(err)
		}
		_, err = q.OpenServerShare(l.authority(t, 1), l.login, reply, request, sealed)
		return err
	}
	if err := open(encoding.Sign(l.signing[0], body(same, hash, good))); err != nil {
		t.Fatalf("the good share: %v: the test shows nothing", err)
	}
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"another authority's":   {body(same, hash, l.pins[1].ServerShare().Expose()), keys.ErrShare},
		"the identity":          {body(same, hash, append([]byte{0xc0}, make([]byte, 95)...)), keys.ErrShare},
		"off the curve":         {body(same, hash, append([]byte{0x80, 95: 1}, nil...)), keys.ErrShare},
		"short":                 {body(same, hash, good[:95]), ErrReply},
		"of another domain":     {body(func(q *ServerKeyRequest) { q.Domain[0]++ }, hash, good), ErrReply},
		"of another service":    {body(func(q *ServerKeyRequest) { q.Service[0]++ }, hash, good), ErrReply},
		"of another generation": {body(func(q *ServerKeyRequest) { q.Generation.Counter++ }, hash, good), ErrReply},
		"of another index":      {body(func(q *ServerKeyRequest) { q.Index++ }, hash, good), ErrReply},
		"to another request":    {body(same, [32]byte{}, good), ErrReply},
		"with a byte too many":  {append(body(same, hash, good), 0), ErrReply},
		"an empty body":         {nil, ErrReply},
	} {
		if err := open(encoding.Sign(l.signing[0], c.body)); !errors.Is(err, c.want) {
			t.Errorf("share %s: %v, want %v", name, err, c.want)
		}
	}
	if err := open(encoding.Sign(l.signing[1], body(same, hash, good))); !errors.Is(err, ErrReply) {
		t.Errorf("signed by another authority: %v", err)
	}
	if err := open(encoding.Sign(l.signer, body(same, hash, good))); !errors.Is(err, ErrReply) {
		t.Errorf("signed by the login server: %v", err)
	}
	for _, index := range []uint32{0, 4} {
		strange := q
		strange.Index = index
		signed := strange.Sign(l.signer)
		a := l.authority(t, 1)
		sealed, err := strange.SealServerShare(l.signing[0], signed, l.pins[0].ServerShare())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strange.OpenServerShare(a, l.login, reply, signed, sealed); !errors.Is(err, ErrReply) {
			t.Errorf("index %d: %v", index, err)
		}
	}
}

func FuzzParseServerKeyRequest(f *testing.F) {
	l := newLoginDomain(f)
	_, signed, _ := l.ask(f, 1)
	e, err := encoding.ParseEnvelope(signed, maxLoginWord)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(e.Body)
	f.Add(encoding.LP(serverKeyRequestLabel))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, word := range [][]byte{b, encoding.Sign(l.signer, b)} {
			q, s, err := ParseServerKeyRequest(l.doc, word)
			if err == nil && (!bytes.Equal(q.Sign(l.signer), word) || l.doc.ServiceID(s) != q.Service) {
				t.Error("request does not survive")
			}
			if err != nil && (q.Service != (identity.ServiceID{}) || s.Name != "") {
				t.Error("a refused request comes back")
			}
		}
	})
}
