package dta

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

const maxService = 8 << 10

func (f Fields) encode() []byte {
	var authorities, schedules, services, flags [][]byte
	for _, a := range f.Authorities {
		authorities = append(authorities, a.encode())
	}
	for _, p := range slices.Sorted(maps.Keys(f.Schedules)) {
		s := f.Schedules[p]
		schedules = append(schedules, encoding.List([]byte(p), encoding.U32(s.Length),
			encoding.U32(s.PreviousLength), encoding.U64(s.PreviousLastStart)))
	}
	for _, s := range f.Services {
		services = append(services, s.encode())
	}
	for _, flag := range f.Flags {
		flags = append(flags, []byte(flag))
	}
	return encoding.LP(documentLabel, []byte(f.Domain), f.Master.Bytes(), encoding.U64(f.Revision),
		f.Predecessor, encoding.U32(f.Threshold), f.Generation.Bytes(), encoding.List(authorities...),
		encoding.List(schedules...), f.Suites, encoding.List(services...), encoding.List(flags...))
}

func (a Authority) encode() []byte {
	return encoding.List(encoding.U32(a.Index), []byte(a.Name), []byte(a.URL), a.Ed25519,
		a.HPKE.Bytes(), a.Public.Bytes())
}

func (s Service) encode() []byte {
	var public [][]byte
	for _, x := range s.Public {
		public = append(public, x.Bytes())
	}
	return encoding.List([]byte(s.Name), s.Master.Bytes(), s.Generation.Bytes(), []byte(s.Origin),
		s.LoginKey, encoding.List(public...))
}

func decodeFields(b []byte) (Fields, error) {
	r := encoding.Open(b, documentLabel)
	f := Fields{Domain: r.String(maxText), Schedules: map[identity.Purpose]identity.Schedule{}}
	f.Master = parseWith(r, keys.MasterSize, keys.ParseMaster)
	f.Revision = r.U64()
	f.Predecessor = r.Bytes(32)
	f.Threshold = r.U32()
	f.Generation = parseWith(r, keys.GenerationSize, keys.ParseGeneration)
	for _, b := range r.List(MaxAuthorities, MaxDocument) {
		f.Authorities = append(f.Authorities, decodeAuthority(r, b))
	}
	previous := ""
	for _, b := range r.List(maxList, maxText) {
		previous = f.decodeSchedule(r, b, previous)
	}
	f.Suites = r.Bytes(maxList)
	for _, b := range r.List(maxList, maxService) {
		f.Services = append(f.Services, decodeService(r, b))
	}
	for _, b := range r.List(maxList, maxText) {
		f.Flags = append(f.Flags, string(b))
	}
	return f, r.Close()
}

// parseWith reads a part of n bytes with parse and hands its error to r.
func parseWith[T any](r *encoding.Reader, n int, parse func([]byte) (T, error)) T {
	var zero T
	b := r.Fixed(n)
	if r.Err() != nil {
		return zero
	}
	v, err := parse(b)
	r.Fail(err)
	return v
}

func decodeAuthority(outer *encoding.Reader, b []byte) Authority {
	r := encoding.OpenList(b)
	a := Authority{Index: r.U32(), Name: r.String(maxText), URL: r.String(maxText)}
	a.Ed25519 = ed25519.PublicKey(r.Fixed(ed25519.PublicKeySize))
	a.HPKE = parseWith(r, ReplyKeySize, ParseHPKE)
	a.Public = parseWith(r, pairing.G2Size, pairing.ParseG2)
	outer.Fail(r.Close())
	return a
}

func (f *Fields) decodeSchedule(outer *encoding.Reader, b []byte, previous string) string {
	r := encoding.OpenList(b)
	purpose := r.String(maxText)
	s := identity.Schedule{Length: r.U32(), PreviousLength: r.U32(), PreviousLastStart: r.U64()}
	if purpose <= previous {
		r.Fail(errors.New("schedules are not in order"))
	}
	if _, err := identity.ParsePurpose(purpose); err != nil {
		r.Fail(err)
	}
	r.Fail(s.Check())
	outer.Fail(r.Close())
	f.Schedules[identity.Purpose(purpose)] = s
	return purpose
}

func decodeService(outer *encoding.Reader, b []byte) Service {
	r := encoding.OpenList(b)
	s := Service{Name: r.String(maxText)}
	s.Master = parseWith(r, keys.PinMasterSize, keys.ParsePinMaster)
	s.Generation = parseWith(r, keys.GenerationSize, keys.ParseGeneration)
	s.Origin = r.String(maxText)
	s.LoginKey = ed25519.PublicKey(r.Fixed(ed25519.PublicKeySize))
	for _, b := range r.List(MaxAuthorities, pairing.G1Size) {
		x, err := pairing.ParseG1(b)
		r.Fail(err)
		s.Public = append(s.Public, x)
	}
	outer.Fail(r.Close())
	return s
}

// ParseHPKE reads an MLKEM768-X25519 public key of 1216 bytes.
func ParseHPKE(b []byte) (hpke.PublicKey, error) {
	key, err := hpke.MLKEM768X25519().NewPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("HPKE key: %w", err)
	}
	return key, nil
}

// check holds what the bytes alone do not: spec/document.md "Loading one", 1
// and 4.
func (f Fields) check() error {
	n := len(f.Authorities)
	switch {
	case f.Threshold < 2 || int(f.Threshold) > n:
		return fmt.Errorf("threshold %d of %d authorities", f.Threshold, n)
	case f.Revision == 0 || f.Revision == 1 != (len(f.Predecessor) == 0):
		return fmt.Errorf("revision %d with a predecessor of %d bytes", f.Revision, len(f.Predecessor))
	case len(f.Predecessor) != 0 && len(f.Predecessor) != 32:
		return fmt.Errorf("predecessor of %d bytes", len(f.Predecessor))
	case !ascending(f.Suites) || len(f.Suites) == 0:
		return errors.New("suites are missing or not in order")
	case !ascending(f.Flags):
		return errors.New("flags are not in order")
	}
	if _, ok := f.Schedules[identity.Channel]; !ok {
		return errors.New("no epochs for purpose channel")
	}
	if err := checkAuthorities(f.Authorities); err != nil {
		return err
	}
	if err := f.checkShares(); err != nil {
		return err
	}
	if _, ok := f.Schedules[identity.Permit]; !ok && len(f.Services) > 0 {
		return errors.New("no epochs for purpose permit")
	}
	return f.checkServices()
}

func (f Fields) indices() []uint32 {
	var indices []uint32
	for _, a := range f.Authorities {
		indices = append(indices, a.Index)
	}
	return indices
}

func (f Fields) checkShares() error {
	var public []pairing.G2
	for _, a := range f.Authorities {
		public = append(public, a.Public)
	}
	if err := vss.OnePolynomialG2(f.indices(), public, f.Master.Point(), int(f.Threshold)); err != nil {
		return fmt.Errorf("public shares: %w", err)
	}
	return nil
}

func (f Fields) checkServices() error {
	previous := ""
	for _, s := range f.Services {
		if s.Name <= previous {
			return errors.New("services are not in order")
		}
		previous = s.Name
		if err := errors.Join(identity.CheckService(s.Name), identity.CheckOrigin(s.Origin)); err != nil {
			return err
		}
		if len(s.Public) != len(f.Authorities) {
			return fmt.Errorf("service %s has %d public shares", s.Name, len(s.Public))
		}
		if err := vss.OnePolynomialG1(f.indices(), s.Public, s.Master.Point(), int(f.Threshold)); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	return nil
}

func checkAuthorities(authorities []Authority) error {
	seen := map[string]bool{}
	for i, a := range authorities {
		if a.Index != uint32(i+1) {
			return fmt.Errorf("authority %d stands at place %d", a.Index, i+1)
		}
		if a.Name == "" {
			return fmt.Errorf("authority %d has no name", a.Index)
		}
		u, err := url.Parse(a.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("authority %d has the URL %q", a.Index, a.URL)
		}
		for _, unique := range []string{"name " + a.Name, "URL " + a.URL, "key " + string(a.Ed25519),
			"HPKE key " + string(a.HPKE.Bytes()), "public share " + string(a.Public.Bytes())} {
			if seen[unique] {
				what, _, _ := bytes.Cut([]byte(unique), []byte(" "))
				return fmt.Errorf("authority %d shares its %s with another", a.Index, what)
			}
			seen[unique] = true
		}
	}
	return nil
}

func ascending[T string | byte](list []T) bool {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			return false
		}
	}
	return true
}
