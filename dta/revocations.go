package dta

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

const (
	// MaxRevocations is the greatest number of entries of a list.
	MaxRevocations = 4096
	// MaxRevocationList is the greatest length of a list's body, in bytes.
	MaxRevocationList = 512 << 10

	revocationsLabel = "milagro/v1 revocations"
	// revocationsHead is more than a body without its entries has.
	revocationsHead = 256
	// maxRevocationsAnswer is the JSON of the longest list.
	maxRevocationsAnswer = MaxRevocationList/3*4 + 1024
)

// ErrRevocations is wrapped by every refusal of a list of revocations.
var ErrRevocations = errors.New("list of revocations refused")

// Revocation names a device that may no longer speak under a name.
type Revocation struct {
	Name   identity.Name
	Device identity.DeviceHash
}

// Revocations is one authority's list of the devices whose enrolment for
// channels it has revoked (spec/revocations.md).
type Revocations struct {
	Domain     identity.DomainID
	Generation keys.Generation
	Index      uint32
	Sequence   uint64
	Time       uint64 // when it was made, in unix seconds
	// Entries are in order of names, then of devices, each once.
	Entries []Revocation
}

// Sign returns the signed envelope of r. It puts the entries in order; when there
// are more than a list may hold, the first of them stay: give the newest first.
func (r Revocations) Sign(key ed25519.PrivateKey) []byte {
	var entries [][]byte
	size := revocationsHead
	for _, e := range r.Entries {
		entry := encoding.List([]byte(e.Name.String()), e.Device[:])
		if size += 4 + len(entry); len(entries) == MaxRevocations || size > MaxRevocationList {
			break
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, compareEntries)
	entries = slices.CompactFunc(entries, bytes.Equal)
	return encoding.Sign(key, encoding.LP(revocationsLabel, r.Domain[:], r.Generation.Bytes(), encoding.U32(r.Index),
		encoding.U64(r.Sequence), encoding.U64(r.Time), encoding.List(entries...)))
}

// compareEntries orders entries, encoded, by the bytes of name, then of device: what
// precedes the name is its length and says nothing.
func compareEntries(a, b []byte) int {
	device := len(a) - len(identity.DeviceHash{}) - 4
	other := len(b) - len(identity.DeviceHash{}) - 4
	if c := bytes.Compare(a[4:device], b[4:other]); c != 0 {
		return c
	}
	return bytes.Compare(a[device:], b[other:])
}

// ParseRevocations reads the signed list of authority index, and verifies that the
// authority which document d, of the same domain and generation, names there
// signed it, and that every entry lies in the domain. An error wraps ErrRevocations. Whether the list
// is newer than another only its Sequence says.
func ParseRevocations(d *Document, index uint32, signed []byte) (*Revocations, error) {
	a, ok := d.Authority(index)
	if !ok {
		return nil, fmt.Errorf("%w: %s has no authority %d", ErrRevocations, d.Domain(), index)
	}
	body, err := encoding.OpenEnvelope(a.Ed25519, signed, MaxRevocationList)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRevocations, err)
	}
	r := encoding.Open(body, revocationsLabel)
	l := &Revocations{Domain: identity.DomainID(r.Fixed(32))}
	l.Generation = parseWith(r, keys.GenerationSize, keys.ParseGeneration)
	l.Index, l.Sequence, l.Time = r.U32(), r.U64(), r.U64()
	l.Entries = readRevocations(r, d.Domain())
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRevocations, err)
	}
	switch {
	case l.Domain != d.ID():
		return nil, fmt.Errorf("%w: it is of domain %v", ErrRevocations, l.Domain)
	case l.Generation != d.Generation():
		return nil, fmt.Errorf("%w: it is of another generation than the document", ErrRevocations)
	case l.Index != index:
		return nil, fmt.Errorf("%w: it is of authority %d, not %d", ErrRevocations, l.Index, index)
	}
	return l, nil
}

func readRevocations(r *encoding.Reader, domain string) []Revocation {
	var entries []Revocation
	var previous []byte
	for _, b := range r.List(MaxRevocations, MaxRevocationList) {
		inner := encoding.OpenList(b)
		name, err := identity.ParseName(inner.String(identity.MaxName))
		entry := Revocation{Name: name, Device: identity.DeviceHash(inner.Fixed(len(identity.DeviceHash{})))}
		inner.Fail(err)
		if err := inner.Close(); err != nil {
			r.Fail(err)
			return nil
		}
		if previous != nil && compareEntries(previous, b) >= 0 {
			r.Fail(errors.New("entries are not in order"))
		}
		if name.Domain() != domain {
			r.Fail(fmt.Errorf("%v does not lie in %s", name, domain))
		}
		previous = b
		entries = append(entries, entry)
	}
	return entries
}

// RevokedBy returns n−t+1: so many authorities that revoke a device end it, at
// issuance and by their lists. Fewer than t that are bad cannot keep the others from it.
func (d *Document) RevokedBy() int { return len(d.fields.Authorities) - d.Threshold() + 1 }

// Revocations fetches the signed list of revocations of the authority at url. The
// caller verifies it (ParseRevocations).
func (c *Client) Revocations(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint(url, "/v1/revocations"), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	b, err := c.answer(req, maxRevocationsAnswer)
	if err != nil {
		return nil, err
	}
	var answer struct {
		List []byte `json:"list"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, fmt.Errorf("%s: answer is not the JSON it should be: %w", req.URL.Host, err)
	}
	return answer.List, nil
}
