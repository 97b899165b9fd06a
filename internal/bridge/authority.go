package bridge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"time"

	"milagro.dev/identity"
)

// The life of an authority's certificate: after nextAfter its successor joins
// the bundle, signsAfter later that one signs, after authorityLife it is gone.
// What was signed last, MaxLifetime at most, does not outlive it.
const (
	authorityLife = 24 * time.Hour
	nextAfter     = 12 * time.Hour
	signsAfter    = 3 * time.Hour
)

// authority vouches for the names of one trust domain on this bridge's hop. It is
// guarded by the bridge's lock.
type authority struct {
	domain  string
	edition uint64 // rises when the bundle or the signer changes
	issuers []*issuer
	signer  *issuer
}

// issuer is a CA certificate and its key. The newest whose time has come signs.
type issuer struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	signs       time.Time
}

// svid is a certificate of a name with its key.
type svid struct {
	name        identity.Name
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newAuthority(domain string, now time.Time) (*authority, error) {
	a := &authority{domain: domain}
	return a, a.turn(now)
}

// newIssuer makes a CA whose certificate is good for one domain's URIs and for
// nothing else that X.509 can name, whoever trusts it by mistake. It has no SPIFFE
// ID: only the domain's root would have one.
func newIssuer(domain string, now, signs time.Time) (*issuer, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	mark := make([]byte, 8)
	rand.Read(mark) // never fails
	template := &x509.Certificate{
		// Two issuers of one bundle differ in their subjects: some software finds an issuer by that alone.
		Subject:               pkix.Name{CommonName: "Milagro bridge, local hop only", SerialNumber: hex.EncodeToString(mark)},
		NotBefore:             now,
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,

		PermittedDNSDomainsCritical: true, // and with it all the constraints
		PermittedURIDomains:         []string{domain},
		ExcludedDNSDomains:          []string{""},
		ExcludedEmailAddresses:      []string{""},
		ExcludedIPRanges:            everyAddress(),
	}
	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &issuer{key: key, certificate: certificate, signs: signs}, nil
}

func everyAddress() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
}

// turn forgets issuers whose time is over, makes the next one in time, and
// chooses the one that signs.
func (a *authority) turn(now time.Time) error {
	issuers := slices.DeleteFunc(slices.Clone(a.issuers), func(i *issuer) bool {
		// One from the future: the clock was set back.
		return now.Before(i.certificate.NotBefore) || !now.Before(i.certificate.NotAfter)
	})
	if len(issuers) == 0 || !now.Before(issuers[len(issuers)-1].certificate.NotBefore.Add(nextAfter)) {
		next, err := newIssuer(a.domain, now, now.Add(signsAfter))
		if err != nil {
			return err
		}
		issuers = append(issuers, next)
	}
	signer := issuers[0] // if its time has not come, there is none that anybody knows better
	for _, i := range issuers {
		if !now.Before(i.signs) {
			signer = i
		}
	}
	if signer != a.signer || !slices.Equal(issuers, a.issuers) {
		a.issuers, a.signer = issuers, signer
		a.edition++
	}
	return nil
}

// bundle returns the DER of every certificate of the authority, the signer's or
// not, one after the other.
func (a *authority) bundle() []byte {
	var der []byte
	for _, i := range a.issuers {
		der = append(der, i.certificate.Raw...)
	}
	return der
}

// issue makes a key and an SVID of name that ends at end, or with its issuer.
func (a *authority) issue(name identity.Name, now, end time.Time) (*svid, error) {
	uri, err := url.Parse(name.String())
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	if last := a.signer.certificate.NotAfter; end.After(last) {
		end = last
	}
	template := &x509.Certificate{
		NotBefore:             now,
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{uri},
	}
	certificate, err := sign(template, a.signer.certificate, key.Public(), a.signer.key)
	if err != nil {
		return nil, err
	}
	return &svid{name: name, key: key, certificate: certificate}, nil
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// sign makes a certificate of template, with a random serial number.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
