package main

import (
	"cmp"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/btcsuite/btcd/btcutil/bech32"

	"milagro.dev/identity"
	"milagro.dev/spec"
)

func sortByReason(p *spec.Page) {
	slices.SortFunc(p.Refuse, func(a, b spec.Case) int { return cmp.Compare(a["reason"]+a["name"], b["reason"]+b["name"]) })
}

func namesPage() (*spec.Page, error) {
	p := &spec.Page{About: "name is a canonical name and lies in domain; kind is workload or person."}
	for _, s := range []string{"spiffe://example.org/web", "spiffe://a-b.example/A/b_c/1.2-3", "spiffe://x/y", "acct:user@example.org", "acct:a.b+c_d-e@example.org",
		"spiffe://example.org/" + strings.Repeat("a", identity.MaxName-21)} {
		n, err := identity.ParseName(s)
		if err != nil {
			return nil, err
		}
		kind := "workload"
		if n.Person() {
			kind = "person"
		}
		p.Accept = append(p.Accept, spec.Case{"name": s, "domain": n.Domain(), "kind": kind})
	}
	for _, c := range [][2]string{
		{"", "empty"}, {"example.org/web", "no scheme"}, {"https://example.org/web", "another scheme"}, {"SPIFFE://example.org/web", "scheme in capitals"},
		{"spiffe://example.org", "no path"}, {"spiffe://example.org/", "empty segment"}, {"spiffe://example.org//web", "empty segment"}, {"spiffe://example.org/web/", "trailing slash"},
		{"spiffe://example.org/./web", "dot segment"}, {"spiffe://example.org/a/../web", "dot-dot segment"}, {"spiffe://example.org/%77eb", "percent-encoding"},
		{"spiffe://Example.org/web", "domain in capitals"}, {"spiffe://exämple.org/web", "domain is no A-label"}, {"spiffe:///web", "no domain"},
		{"spiffe://example..org/web", "empty label"}, {"spiffe://-example.org/web", "label begins with a hyphen"}, {"spiffe://example-.org/web", "label ends with a hyphen"},
		{"spiffe://example.org:443/web", "port"}, {"spiffe://user@example.org/web", "user info"}, {"spiffe://example.org/web?x", "query"}, {"spiffe://example.org/web#x", "fragment"},
		{"spiffe://example.org./web", "domain ends with a dot"}, {"spiffe://" + strings.Repeat("a", 64) + "/web", "label of 64 bytes"},
		{"spiffe://" + strings.Repeat("a.", 127) + "/web", "domain of 254 bytes"}, {"spiffe://example.org/" + strings.Repeat("a", identity.MaxName-20), "2049 bytes"},
		{"spiffe://example.org/wéb", "path is not ASCII"}, {"spiffe://example.org/web ", "space"}, {"spiffe://example.org/web\x00", "zero byte"},
		{"acct:example.org", "no @"}, {"acct:@example.org", "no user"}, {"acct:User@example.org", "user in capitals"}, {"acct:.a@example.org", "user begins with a dot"},
		{"acct:a.@example.org", "user ends with a dot"}, {"acct:a..b@example.org", "two dots"}, {"acct:" + strings.Repeat("a", 65) + "@example.org", "user of 65 bytes"},
		{"acct:a@b@example.org", "two @"}, {"acct:a%20b@example.org", "percent-encoding"}, {"acct:a@", "no domain"},
	} {
		p.Refuse = append(p.Refuse, spec.Case{"name": c[0], "reason": c[1]})
	}
	return p, nil
}

const spkiPrefix = "3059301306072a8648ce3d020106082a8648ce3d030107034200"

// device returns the SPKI of the P-256 key whose private scalar is
// SHA-256(seed).
func device(seed string) ([]byte, error) {
	scalar := sha256.Sum256([]byte(seed))
	key, err := ecdh.P256().NewPrivateKey(scalar[:])
	if err != nil {
		return nil, err
	}
	prefix, err := hex.DecodeString(spkiPrefix)
	return append(prefix, key.PublicKey().Bytes()...), err
}

func devicesPage() (*spec.Page, error) {
	p := &spec.Page{About: "spki is a device key, device its hash; both hexadecimal."}
	var last []byte
	for _, seed := range []string{"device one", "device two"} {
		spki, err := device(seed)
		if err != nil {
			return nil, err
		}
		d, err := identity.ParseDevice(spki)
		if err != nil {
			return nil, err
		}
		last = spki
		p.Accept = append(p.Accept, spec.Case{"spki": hexOf(spki), "device": d.Hash().String()})
	}
	changed := func(at int, to byte) []byte { b := slices.Clone(last); b[at] = to; return b }
	compressed := append(slices.Clone(last[:26]), 2+last[90]&1)
	compressed = append(compressed, last[27:59]...)
	for reason, b := range map[string][]byte{"empty": nil, "short": last[:90], "long": append(slices.Clone(last), 0), "compressed point": compressed,
		"point off the curve": changed(90, last[90]^1), "hybrid point": changed(26, 6), "another curve": changed(22, 0x08), "another algorithm": changed(12, 0x02),
		"the point alone": last[26:], "zero point": append(slices.Clone(last[:27]), make([]byte, 64)...)} {
		p.Refuse = append(p.Refuse, spec.Case{"spki": hexOf(b), "reason": reason})
	}
	sortByReason(p)
	return p, nil
}

func domainsPage() (*spec.Page, error) {
	p := &spec.Page{About: "what \"domain\": id (hexadecimal, 32 bytes) is domainID of domain (text) and master (hexadecimal), fingerprint its text. " +
		"what \"service\": id is serviceID of service (text) with master in G1 in the domain with domainID (hexadecimal). A case to refuse is a fingerprint."}
	master := secret("master").G2()
	id, err := identity.NewDomainID("example.org", master)
	if err != nil {
		return nil, err
	}
	p.Accept = append(p.Accept, spec.Case{"what": "domain", "domain": "example.org", "master": hexOf(master.Bytes()), "id": hexOf(id[:]), "fingerprint": id.String()})
	pin := secret("pin master").G1()
	service := identity.NewServiceID(id, "login", pin)
	p.Accept = append(p.Accept, spec.Case{"what": "service", "service": "login", "master": hexOf(pin.Bytes()), "domainID": hexOf(id[:]), "id": hexOf(service[:])})
	s := id.String()
	words, err := bech32.ConvertBits(id[:], 8, 5, true)
	if err != nil {
		return nil, err
	}
	old, err := bech32.Encode("milagro", words)
	if err != nil {
		return nil, err
	}
	last := "q"
	if strings.HasSuffix(s, "q") {
		last = "p"
	}
	for reason, f := range map[string]string{"empty": "", "cut": s[:len(s)-1], "longer": s + "q", "mistyped": s[:len(s)-1] + last, "in capitals": strings.ToUpper(s),
		"mixed case": strings.ToUpper(s[:1]) + s[1:], "another prefix": "milagr" + s[7:], "no separator": strings.Replace(s, "1", "", 1),
		"bech32, not bech32m": old, "space": s + " "} {
		p.Refuse = append(p.Refuse, spec.Case{"fingerprint": f, "reason": reason})
	}
	sortByReason(p)
	return p, nil
}

func epochsPage() (*spec.Page, error) {
	p := &spec.Page{About: "what \"epoch\": bytes (hexadecimal) are the epoch start, length. what \"accepts\": at time now the schedule (length, previous, last; 0 for none) accepts the epoch start, length. " +
		"A case to refuse is of the same kinds."}
	day := identity.Epoch{Start: 1_800_057_600, Length: 86_400}
	p.Accept = append(p.Accept, epochCase(day.Bytes(), day), epochCase(identity.Epoch{Start: 10, Length: 10}.Bytes(), identity.Epoch{Start: 10, Length: 10}))
	for reason, b := range map[string][]byte{"short": day.Bytes()[:11], "long": append(day.Bytes(), 0), "length 0": make([]byte, 12), "start is no multiple": {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2},
		"length 2^31": {0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0}, "start over 2^63": {0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}} {
		p.Refuse = append(p.Refuse, spec.Case{"what": "epoch", "bytes": hexOf(b), "reason": reason})
	}
	plain := identity.Schedule{Length: 86_400}
	changed := identity.Schedule{Length: 3600, PreviousLength: 86_400, PreviousLastStart: day.Start}
	short := identity.Schedule{Length: 10}
	hour := identity.Epoch{Start: day.End(), Length: 3600}
	ten := identity.Epoch{Start: 1_800_000_000, Length: 10}
	for _, c := range []struct {
		s      identity.Schedule
		e      identity.Epoch
		now    uint64
		reason string
	}{
		{plain, day, day.Start, ""}, {plain, day, day.Start - 300, ""}, {plain, day, day.End() + 300, ""},
		{plain, day, day.Start - 301, "301 s too early"}, {plain, day, day.End() + 301, "301 s too late"},
		{short, ten, ten.Start - 10, ""}, {short, ten, ten.End() + 10, ""}, {short, ten, ten.Start - 11, "skew is the length at most"}, {short, ten, ten.End() + 11, "skew is the length at most, after the end"},
		{changed, day, day.End(), ""}, {changed, hour, hour.Start, ""},
		{changed, day.Next(), day.End(), "of the previous length, after its last start"},
		{changed, identity.Epoch{Start: day.End() - 3600, Length: 3600}, day.End() - 1, "of the new length, before the change"},
		{plain, hour, hour.Start, "another length"},
	} {
		v := spec.Case{"what": "accepts", "length": fmt.Sprint(c.s.Length), "previous": fmt.Sprint(c.s.PreviousLength), "last": fmt.Sprint(c.s.PreviousLastStart),
			"epoch": hexOf(c.e.Bytes()), "now": fmt.Sprint(c.now)}
		if err := c.s.Accepts(c.e, c.now); (err != nil) != (c.reason != "") {
			return nil, fmt.Errorf("%v: %w", v, err)
		}
		if c.reason == "" {
			p.Accept = append(p.Accept, v)
		} else {
			p.Refuse = append(p.Refuse, refused(v, c.reason))
		}
	}
	sortByReason(p)
	return p, nil
}

func epochCase(b []byte, e identity.Epoch) spec.Case {
	return spec.Case{"what": "epoch", "bytes": hexOf(b), "start": fmt.Sprint(e.Start), "length": fmt.Sprint(e.Length)}
}

// subject is the identity that the vectors are about.
func subject() (identity.Key, error) {
	name, err := identity.ParseName("spiffe://example.org/web")
	if err != nil {
		return identity.Key{}, err
	}
	spki, err := device("device one")
	if err != nil {
		return identity.Key{}, err
	}
	d, err := identity.ParseDevice(spki)
	if err != nil {
		return identity.Key{}, err
	}
	id, err := identity.NewDomainID("example.org", secret("master").G2())
	return identity.Key{Domain: id, Name: name, Device: d.Hash(), Epoch: identity.Epoch{Start: 1_800_057_600, Length: 86_400},
		Service: identity.NewServiceID(id, "login", secret("pin master").G1())}, err
}

// only keeps the fields that purpose uses.
func only(k identity.Key, purpose identity.Purpose) identity.Key {
	k.Purpose = purpose
	if !purpose.Service() {
		k.Service = identity.ServiceID{}
	}
	if purpose == identity.Decrypt {
		k.Device = identity.DeviceHash{}
	}
	if purpose == identity.MPin {
		k.Epoch = identity.Epoch{}
	}
	return k
}

func keyCase(k identity.Key) spec.Case {
	return spec.Case{"purpose": string(k.Purpose), "domainID": hexOf(k.Domain[:]), "serviceID": hexOf(k.Service[:]), "name": k.Name.String(), "device": hexOf(k.Device[:]), "epoch": hexOf(k.Epoch.Bytes())}
}

func pointsPage() (*spec.Page, error) {
	p := &spec.Page{About: "point is the identity point of purpose with the other fields, all in hexadecimal but purpose, name, revision, day and test purpose; a serviceID or device of zeros and an empty epoch are absent. " +
		"hash is H(document), or the hash of a trial, whose purpose text is \"of\". A case to refuse has a field that its purpose does not use, lacks one that it uses, or is issued to nobody."}
	all, err := subject()
	if err != nil {
		return nil, err
	}
	for _, purpose := range []identity.Purpose{identity.Channel, identity.Decrypt, identity.MPin, identity.Permit} {
		k := only(all, purpose)
		point, err := k.Point()
		if err != nil {
			return nil, err
		}
		good := keyCase(k)
		good["point"] = hexOf(point.Bytes())
		p.Accept = append(p.Accept, good)
		p.Refuse = append(p.Refuse, badKeys(all, k)...)
	}
	hash := sha256.Sum256([]byte("document"))
	p.Accept = append(p.Accept,
		spec.Case{"purpose": "document", "domainID": hexOf(all.Domain[:]), "revision": "1", "hash": hexOf(hash[:]), "point": hexOf(identity.DocumentPoint(all.Domain, 1, hash).Bytes())},
		spec.Case{"purpose": "fresh", "domainID": hexOf(all.Domain[:]), "revision": "1", "hash": hexOf(hash[:]), "day": "20834", "point": hexOf(identity.FreshPoint(all.Domain, 1, hash, 20834).Bytes())},
		spec.Case{"purpose": "test", "hash": hexOf(hash[:]), "of": "public", "point": hexOf(identity.TestPoint(hash, "public").Bytes())})
	return p, nil
}

// badKeys are k with each field in turn that it must not have, or must have.
func badKeys(all, k identity.Key) []spec.Case {
	var list []spec.Case
	add := func(reason string, bad identity.Key) { list = append(list, refused(keyCase(bad), reason)) }
	swap := func(has bool) string {
		if has {
			return "is missing"
		}
		return "does not belong"
	}
	bad := k
	bad.Epoch = identity.Epoch{}
	if k.Epoch.IsZero() {
		bad.Epoch = all.Epoch
	}
	add("epoch "+swap(!k.Epoch.IsZero()), bad)
	bad = k
	bad.Device = identity.DeviceHash{}
	if k.Device == (identity.DeviceHash{}) {
		bad.Device = all.Device
	}
	add("device "+swap(k.Device != (identity.DeviceHash{})), bad)
	bad = k
	bad.Service = identity.ServiceID{}
	if k.Service == (identity.ServiceID{}) {
		bad.Service = all.Service
	}
	add("service "+swap(k.Service != (identity.ServiceID{})), bad)
	return list
}
