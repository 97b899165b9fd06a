package identity

import (
	"errors"
	"fmt"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

// Purpose is what a key may be used for. Each has its own hash to the curve,
// so a key of one purpose is nothing in another.
type Purpose string

// The purposes of spec/identity.md "Identity points". Only Channel, Decrypt,
// MPin and Permit are issued to applicants.
const (
	Channel  Purpose = "channel"
	Decrypt  Purpose = "decrypt"
	Document Purpose = "document"
	Fresh    Purpose = "fresh"
	MPin     Purpose = "mpin"
	Permit   Purpose = "permit"
	Test     Purpose = "test"
)

// ErrPurpose is wrapped by every refusal of a purpose, or of fields that do
// not belong to it.
var ErrPurpose = errors.New("purpose refused")

// ParsePurpose reads a purpose that is issued to applicants; an error wraps
// ErrPurpose.
func ParsePurpose(s string) (Purpose, error) {
	switch p := Purpose(s); p {
	case Channel, Decrypt, MPin, Permit:
		return p, nil
	}
	return "", fmt.Errorf("%w: %q is not issued", ErrPurpose, s)
}

// Service reports whether keys of p belong to an M-Pin service's master rather
// than to the domain's public one.
func (p Purpose) Service() bool { return p == MPin || p == Permit }

// Key says exactly which key is meant. Fields that its purpose does not use
// are zero: Service but for mpin and permit, Device for decrypt, Epoch for mpin.
type Key struct {
	Domain  DomainID
	Purpose Purpose
	Service ServiceID
	Name    Name
	Device  DeviceHash
	Epoch   Epoch
}

// Check returns an error that wraps ErrPurpose unless exactly the fields that
// k's purpose uses are set.
func (k Key) Check() error {
	if _, err := ParsePurpose(string(k.Purpose)); err != nil {
		return err
	}
	present := []struct {
		field      string
		set, wants bool
	}{
		{"name", !k.Name.IsZero(), true},
		{"service", k.Service != ServiceID{}, k.Purpose.Service()},
		{"device", k.Device != DeviceHash{}, k.Purpose != Decrypt},
		{"epoch", !k.Epoch.IsZero(), k.Purpose != MPin},
	}
	for _, p := range present {
		if p.set != p.wants {
			return fmt.Errorf("%w: %s has the wrong %s field", ErrPurpose, k.Purpose, p.field)
		}
	}
	return nil
}

// Point returns the identity point of k (spec/identity.md "Identity points").
// An error wraps ErrPurpose.
func (k Key) Point() (pairing.G1, error) {
	if err := k.Check(); err != nil {
		return pairing.G1{}, err
	}
	name := []byte(k.Name.text)
	switch k.Purpose {
	case Channel:
		return point(channelDST, encoding.LP("milagro/v1 channel", k.Domain[:], name, k.Device[:], k.Epoch.Bytes())), nil
	case Decrypt:
		return point(decryptDST, encoding.LP("milagro/v1 decrypt", k.Domain[:], name, k.Epoch.Bytes())), nil
	case MPin:
		return point(mpinDST, encoding.LP("milagro/v1 mpin", k.Service[:], name, k.Device[:])), nil
	default:
		return point(permitDST, encoding.LP("milagro/v1 permit", k.Service[:], name, k.Device[:], k.Epoch.Bytes())), nil
	}
}

// DocumentPoint returns the point whose key signs a domain document: hash is
// SHA-256 of the document's exact bytes.
func DocumentPoint(domain DomainID, revision uint64, hash [32]byte) pairing.G1 {
	return point(documentDST, encoding.LP("milagro/v1 document", domain[:], encoding.U64(revision), hash[:]))
}

// FreshPoint returns the point whose key stamps a domain document as fresh on
// a day: unix time divided by 86,400.
func FreshPoint(domain DomainID, revision uint64, hash [32]byte, day uint32) pairing.G1 {
	return point(freshDST, encoding.LP("milagro/v1 fresh", domain[:], encoding.U64(revision), hash[:], encoding.U32(day)))
}

// TestPoint returns the point of a ceremony's trial: hash is that of the
// ceremony's certificate, purpose is the purpose of its master.
func TestPoint(hash [32]byte, purpose string) pairing.G1 {
	return point(testDST, encoding.LP("milagro/v1 test", hash[:], []byte(purpose)))
}

const (
	dstPrefix = "MILAGRO-V1-"
	dstSuffix = "-BLS12381G1_XMD:SHA-256_SSWU_RO_"

	channelDST  = dstPrefix + "CHANNEL" + dstSuffix
	decryptDST  = dstPrefix + "DECRYPT" + dstSuffix
	documentDST = dstPrefix + "DOCUMENT" + dstSuffix
	freshDST    = dstPrefix + "FRESH" + dstSuffix
	mpinDST     = dstPrefix + "MPIN" + dstSuffix
	permitDST   = dstPrefix + "PERMIT" + dstSuffix
	testDST     = dstPrefix + "TEST" + dstSuffix
)

func point(dst string, message []byte) pairing.G1 { return pairing.HashToG1(dst, message) }
