package idtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"milagro.dev/ibs"
	"milagro.dev/identity"
)

// current returns the leaf of the source's credential, if its epoch is one
// that peers accept now.
func current(source Source, now uint64) (*tls.Certificate, error) {
	c, err := credential(source)
	if err != nil {
		return nil, err
	}
	if err := c.Domain.Schedule.Accepts(c.Epoch, now); err != nil {
		return nil, fmt.Errorf("own credential of %v: %w: renew it, or set this machine's clock", c.Name, err)
	}
	c.once.Do(func() { c.leaf, c.err = c.makeLeaf() })
	if c.err != nil {
		return nil, fmt.Errorf("own credential of %v: %w", c.Name, c.err)
	}
	return c.leaf, nil
}

// credential asks source for a credential whose domain makes sense.
func credential(source Source) (*Credential, error) {
	c, err := source.Credential()
	if err == nil && (c == nil || c.Domain == nil) {
		err = errors.New("the source gave none")
	}
	if err == nil {
		err = c.Domain.check()
	}
	if err != nil {
		return nil, fmt.Errorf("own credential: %w", err)
	}
	return c, nil
}

// makeLeaf makes a key and a leaf for both roles and the whole epoch. What it
// checks of the credential, peers would refuse, without telling why.
func (c *Credential) makeLeaf() (*tls.Certificate, error) {
	point, err := identity.Key{
		Domain: c.Domain.ID, Purpose: identity.Channel, Name: c.Name, Device: c.Device, Epoch: c.Epoch,
	}.Point()
	if err != nil {
		return nil, err
	}
	if err := c.Key.Verify(point, c.Domain.Master); err != nil {
		return nil, err
	}
	b := &binding{
		suite:     SuiteIdentityKey,
		domain:    c.Domain.ID,
		epoch:     c.Epoch,
		notBefore: c.Epoch.Start,
		notAfter:  c.Epoch.End(),
		usage:     asClient | asServer,
		device:    c.Device,
		name:      c.Name,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := bind(b, c, key)
	if err == nil && c.Domain.Watermark != nil {
		c.Domain.Watermark.Raise(c.Epoch)
	}
	return leaf, err
}

// bind signs b for key with the credential's identity key and puts it into a leaf.
func bind(b *binding, c *Credential, key crypto.Signer) (*tls.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	signature, err := ibs.Sign(c.Key, b.statement(spki))
	if err != nil {
		return nil, err
	}
	b.signature = [ibs.Size]byte(signature)
	template, err := profile(b)
	if err != nil {
		return nil, err
	}
	return selfSign(template, key)
}

func selfSign(template *x509.Certificate, key crypto.Signer) (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func oidKeyUsage() asn1.ObjectIdentifier       { return asn1.ObjectIdentifier{2, 5, 29, 15} }
func oidSubjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// profile returns the template of the only leaf that checkProfile and checkName
// let pass with b.
func profile(b *binding) (*x509.Certificate, error) {
	name, err := subjectAltName(b.name)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		NotBefore:   time.Unix(int64(b.notBefore), 0),
		NotAfter:    time.Unix(int64(b.validUntil()), 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: extKeyUsage(b.usage),
		ExtraExtensions: []pkix.Extension{
			{Id: oidSubjectAltName(), Critical: true, Value: name},
			{Id: oid(), Value: b.bytes()},
		},
	}, nil
}

func extKeyUsage(u usage) []x509.ExtKeyUsage {
	var out []x509.ExtKeyUsage
	if u&asClient != 0 {
		out = append(out, x509.ExtKeyUsageClientAuth)
	}
	if u&asServer != 0 {
		out = append(out, x509.ExtKeyUsageServerAuth)
	}
	return out
}

// subjectAltName returns the DER of GeneralNames with one URI.
func subjectAltName(name identity.Name) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cryptobyteasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddBytes([]byte(name.String()))
		})
	})
	return b.Bytes()
}

// checkProfile returns nil iff leaf is what profile makes of b, but for its
// name, serial number and extensions that X.509 allows to be ignored.
func checkProfile(leaf *x509.Certificate, b *binding) error {
	emptySequence := []byte{0x30, 0}
	switch {
	case leaf.Version != 3:
		return fmt.Errorf("X.509 version %d", leaf.Version)
	case !bytes.Equal(leaf.RawSubject, emptySequence) || !bytes.Equal(leaf.RawIssuer, emptySequence):
		return errors.New("subject or issuer is not empty")
	case leaf.IsCA:
		return errors.New("certificate of an authority")
	case leaf.KeyUsage != x509.KeyUsageDigitalSignature:
		return errors.New("key usage is not digital signature alone")
	case !slices.Equal(leaf.ExtKeyUsage, extKeyUsage(b.usage)) || len(leaf.UnknownExtKeyUsage) > 0:
		return fmt.Errorf("extended key usage is not that of %v", b.usage)
	case uint64(leaf.NotBefore.Unix()) != b.notBefore || uint64(leaf.NotAfter.Unix()) != b.validUntil():
		return errors.New("validity is not that of the binding")
	}
	return checkCritical(leaf)
}

// checkCritical returns nil iff the critical extensions are those of profile.
func checkCritical(leaf *x509.Certificate) error {
	for _, e := range leaf.Extensions {
		must := e.Id.Equal(oidKeyUsage()) || e.Id.Equal(oidSubjectAltName())
		if must && !e.Critical {
			return fmt.Errorf("extension %v is not critical", e.Id)
		}
		if !must && e.Critical {
			return fmt.Errorf("critical extension %v", e.Id)
		}
	}
	return nil
}

// checkName returns nil iff name is the one and only subject alternative name,
// byte for byte.
func checkName(leaf *x509.Certificate, name identity.Name) error {
	want, err := subjectAltName(name)
	if err != nil {
		return err
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(oidSubjectAltName()) && bytes.Equal(e.Value, want) {
			return nil
		}
	}
	return fmt.Errorf("subject alternative name is not exactly %v", name)
}
