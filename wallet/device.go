package wallet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path/filepath"

	"milagro.dev/identity"
)

const (
	deviceFile = "device.pem"
	pemType    = "PRIVATE KEY"
)

// device returns the device key of a name whose lock the caller holds. Only for
// a name without an enrolment is one made.
func (w *Wallet) device(n identity.Name, r enrolmentRecord) (crypto.Signer, error) {
	if w.deviceKey != nil {
		return w.deviceKey(n)
	}
	path := w.deviceFile(n)
	b, err := w.disk.read(path)
	if missing(err) && r.Device == "" {
		return w.makeDevice(path)
	}
	if err != nil {
		return nil, err
	}
	defer clear(b)
	key, err := parseDeviceKey(b)
	if err != nil {
		return nil, damaged(path, err)
	}
	return key, nil
}

func (w *Wallet) deviceFile(n identity.Name) string { return filepath.Join(w.nameDir(n), deviceFile) }

// makeDevice returns a new key that is on the disk before anybody hears of it:
// an authority enrols no key that a crash can take.
func (w *Wallet) makeDevice(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	b, err := encodeDeviceKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	if err := w.disk.create(path, b); err != nil {
		return nil, err
	}
	return key, nil
}

// encodeDeviceKey returns PKCS #8 in PEM, which other tools read too.
func encodeDeviceKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

func parseDeviceKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemType || len(rest) != 0 {
		return nil, errors.New("not one private key in PEM")
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return key, nil
}
