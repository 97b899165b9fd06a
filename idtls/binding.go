package idtls

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"

	"milagro.dev/ibs"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const (
	bindingVersion = 1
	// headSize is the length of a binding without its name and signature.
	headSize = 1 + 1 + 32 + identity.EpochSize + 8 + 8 + 1 + 32 + 2
	// maxTime is the last second that a certificate can state: that of the year 9999.
	maxTime = 253402300799
)

var errBinding = errors.New("malformed binding")

// oid identifies the extension that holds the binding (spec/idtls.md "The
// object identifier").
func oid() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 999, 77, 73, 76, 1} }

// usage says in which roles a leaf may be shown: the bits client and server.
type usage uint8

const (
	asClient usage = 1 << iota
	asServer
)

func (u usage) String() string {
	return [...]string{"no role", "client", "server", "client and server"}[u&(asClient|asServer)]
}

// binding is the content of the extension: who a leaf speaks for, and when.
// Times are unix seconds.
type binding struct {
	suite     uint8
	domain    identity.DomainID
	epoch     identity.Epoch
	notBefore uint64
	notAfter  uint64
	usage     usage
	device    identity.DeviceHash
	name      identity.Name
	signature [ibs.Size]byte
}

// parseBinding reads exactly the bytes of a binding; an error wraps errBinding.
func parseBinding(raw []byte) (*binding, error) {
	if len(raw) < headSize+ibs.Size {
		return nil, fmt.Errorf("%w: truncated", errBinding)
	}
	if raw[0] != bindingVersion {
		return nil, fmt.Errorf("%w: version %d, not %d", errBinding, raw[0], bindingVersion)
	}
	nameSize := int(binary.BigEndian.Uint16(raw[headSize-2:]))
	if want := headSize + nameSize + ibs.Size; len(raw) != want {
		return nil, fmt.Errorf("%w: %d bytes where %d belong", errBinding, len(raw), want)
	}
	epoch, err := identity.ParseEpoch(raw[34:46])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBinding, err)
	}
	name, err := identity.ParseName(string(raw[headSize : headSize+nameSize]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBinding, err)
	}
	b := &binding{
		suite:     raw[1],
		domain:    identity.DomainID(raw[2:34]),
		epoch:     epoch,
		notBefore: binary.BigEndian.Uint64(raw[46:]),
		notAfter:  binary.BigEndian.Uint64(raw[54:]),
		usage:     usage(raw[62]),
		device:    identity.DeviceHash(raw[63:95]),
		name:      name,
		signature: [ibs.Size]byte(raw[headSize+nameSize:]),
	}
	if b.notBefore > b.notAfter || b.notAfter > maxTime {
		return nil, fmt.Errorf("%w: times out of order or range", errBinding)
	}
	if b.usage == 0 || b.usage > asClient|asServer {
		return nil, fmt.Errorf("%w: usage %d", errBinding, raw[62])
	}
	return b, nil
}

// tbs returns the signed fields: the binding without its signature.
func (b *binding) tbs() []byte {
	name := b.name.String()
	out := make([]byte, 0, headSize+len(name)+ibs.Size)
	out = append(out, bindingVersion, b.suite)
	out = append(out, b.domain[:]...)
	out = append(out, b.epoch.Bytes()...)
	out = binary.BigEndian.AppendUint64(out, b.notBefore)
	out = binary.BigEndian.AppendUint64(out, b.notAfter)
	out = append(out, byte(b.usage))
	out = append(out, b.device[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(name)))
	return append(out, name...)
}

// bytes returns what parseBinding reads.
func (b *binding) bytes() []byte { return append(b.tbs(), b.signature[:]...) }

// statement returns what the signature says about the leaf with this
// SubjectPublicKeyInfo.
func (b *binding) statement(spki []byte) ibs.Statement {
	hash := sha256.Sum256(spki)
	return ibs.Statement{
		Domain:  b.domain,
		Name:    b.name,
		Device:  b.device,
		Epoch:   b.epoch,
		Message: encoding.LP("milagro/v1 tls binding", b.tbs(), hash[:]),
	}
}

// validUntil returns the last second at which the leaf is valid, skew aside.
func (b *binding) validUntil() uint64 { return min(b.notAfter, b.epoch.End()) }

func (b *binding) peer() Peer {
	return Peer{Name: b.name, Device: b.device, Epoch: b.epoch, Domain: b.domain}
}
