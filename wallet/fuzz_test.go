package wallet

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

func newDeviceKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// oneForm fails unless parse accepts nothing but what encode writes of it.
func oneForm[T any](t *testing.T, b []byte, parse func([]byte) (T, error), encode func(T) []byte) {
	v, err := parse(b)
	if err == nil && !bytes.Equal(encode(v), b) {
		t.Errorf("%q is another spelling of %q", b, encode(v))
	}
}

func encoded[T record](r T) []byte {
	b, err := encodeRecord(r)
	if err != nil {
		panic(err)
	}
	return b
}

func FuzzParseRecord(f *testing.F) {
	pin := pinRecord{Domain: "example.org", Fingerprint: identity.DomainID{1}, URL: "http://a"}
	pin.Format = pin.format()
	enrolment := enrolmentRecord{Name: name(f, "spiffe://example.org/web"), Purposes: []identity.Purpose{identity.Channel}}
	enrolment.Format = enrolment.format()
	watermark := watermarkRecord{Start: 100, Length: 10}
	watermark.Format = watermark.format()
	login := loginRecord{Name: name(f, "acct:alice@example.org"), Service: "login", Active: strings.Repeat("ab", 16)}
	login.Format = login.format()
	statement := statementRecord{Statement: "a.b.c", Expires: 300}
	statement.Format = statement.format()
	for _, seed := range [][]byte{encoded(pin), encoded(enrolment), encoded(watermark), encoded(login), encoded(statement), nil, []byte("{}\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		oneForm(t, b, decodeRecord[pinRecord], encoded)
		oneForm(t, b, decodeRecord[enrolmentRecord], encoded)
		oneForm(t, b, decodeRecord[watermarkRecord], encoded)
		oneForm(t, b, decodeRecord[loginRecord], encoded)
		oneForm(t, b, decodeRecord[statementRecord], encoded)
	})
}

func testKey(t testing.TB) storedKey {
	k := identity.Key{Domain: identity.DomainID{1}, Purpose: identity.Channel, Name: name(t, "spiffe://example.org/web"),
		Device: identity.DeviceHash{2}, Epoch: identity.Epoch{Start: day, Length: day}}
	point := must(k.Point())(t)
	private := must(keys.ParsePrivate(point.MulSecret(pairing.RandomSecret()).Expose()))(t)
	return storedKey{key: k, private: private}
}

func FuzzParseKey(f *testing.F) {
	s := testKey(f)
	f.Add(s.bytes())
	s.key.Purpose, s.key.Device = identity.Decrypt, identity.DeviceHash{}
	f.Add(s.bytes())
	f.Fuzz(func(t *testing.T, b []byte) { oneForm(t, b, parseKey, storedKey.bytes) })
}

func FuzzParseDeviceKey(f *testing.F) {
	f.Add(must(encodeDeviceKey(must(newDeviceKey())(f)))(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := parseDeviceKey(b)
		if err != nil {
			return
		}
		again := must(parseDeviceKey(must(encodeDeviceKey(key))(t)))(t)
		if !again.Equal(key) {
			t.Error("written again it is another key")
		}
	})
}

func FuzzParseKeyFile(f *testing.F) {
	for _, seed := range []string{"channel-86400-86400", "channel-0-1", "statement_channel_1_1", "device.pem", "channel-00-1", "a-b-c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, base string) {
		p, e, ok := parseKeyFile(base)
		if ok && base != fmt.Sprintf("%s-%d-%d", p, e.Start, e.Length) {
			t.Errorf("%q is read as %s %v", base, p, e)
		}
	})
}

func TestParseKeyRefusesWhatIsNoKey(t *testing.T) {
	good := testKey(t)
	for title, change := range map[string]func(*storedKey){
		"no epoch":                func(s *storedKey) { s.key.Epoch = identity.Epoch{} },
		"no device":               func(s *storedKey) { s.key.Device = identity.DeviceHash{} },
		"a device with decrypt":   func(s *storedKey) { s.key.Purpose = identity.Decrypt },
		"purpose document":        func(s *storedKey) { s.key.Purpose = identity.Document },
		"no private key":          func(s *storedKey) { s.private = keys.Private{} },
		"an epoch off its length": func(s *storedKey) { s.key.Epoch.Start++ },
	} {
		bad := good
		change(&bad)
		if _, err := parseKey(bad.bytes()); err == nil {
			t.Errorf("%s: accepted", title)
		}
	}
}

func testToken(t testing.TB) *token {
	private := testKey(t).private
	return &token{key: identity.Key{Domain: identity.DomainID{1}, Purpose: identity.MPin, Service: identity.ServiceID{2},
		Name: name(t, "acct:alice@example.org"), Device: identity.DeviceHash{3}}, salt: [mpin.SaltSize]byte{4}, params: mpin.DefaultParams(),
		private: private, statements: [][]byte{{5}, {6, 7}}}
}

func testPermit(t testing.TB) storedKey {
	s := storedKey{key: testToken(t).permitKey(identity.Epoch{Start: day, Length: day}), private: testKey(t).private}
	return s
}

// FuzzParseToken repairs the checksum, so that what lies under it is read too.
func FuzzParseToken(f *testing.F) {
	f.Add(bytes.Clone(testToken(f).bytes()))
	f.Fuzz(func(t *testing.T, b []byte) {
		oneForm(t, b, parseToken, (*token).bytes)
		oneForm(t, summed(bytes.Clone(b[:max(0, len(b)-32)])), parseToken, (*token).bytes)
	})
}

func FuzzParsePermit(f *testing.F) {
	f.Add(permitBytes(testPermit(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		oneForm(t, b, parsePermit, permitBytes)
		oneForm(t, summed(bytes.Clone(b[:max(0, len(b)-32)])), parsePermit, permitBytes)
	})
}

func TestAFlippedBitInATokenOrPermitIsSeen(t *testing.T) {
	for title, k := range map[string]struct {
		good  []byte
		parse func([]byte) error
	}{
		"token":  {testToken(t).bytes(), func(b []byte) error { _, err := parseToken(b); return err }},
		"permit": {permitBytes(testPermit(t)), func(b []byte) error { _, err := parsePermit(b); return err }},
	} {
		check(t, k.parse(k.good))
		for i := range k.good {
			bad := bytes.Clone(k.good)
			bad[i] ^= 1
			if k.parse(bad) == nil {
				t.Errorf("%s: a flip of byte %d passes", title, i)
			}
		}
	}
}

func TestParseTokenRefusesWhatIsNoToken(t *testing.T) {
	for title, change := range map[string]func(*token){
		"no service":       func(s *token) { s.key.Service = identity.ServiceID{} },
		"no device":        func(s *token) { s.key.Device = identity.DeviceHash{} },
		"no private part":  func(s *token) { s.private = keys.Private{} },
		"a cheap PIN":      func(s *token) { s.params.Memory = 1 << 10 },
		"a PIN that costs": func(s *token) { s.params.Memory = 1 << 30 },
	} {
		bad := testToken(t)
		change(bad)
		if _, err := parseToken(bad.bytes()); err == nil {
			t.Errorf("%s: accepted", title)
		}
	}
}
