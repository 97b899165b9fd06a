package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"milagro.dev/internal/custody"
)

const operatorKeyType = "PRIVATE KEY"

// operatorKey reads the key of an operator: an Ed25519 key in PKCS #8, in PEM, in a
// file that its owner alone can read.
func operatorKey(path string) (ed25519.PrivateKey, error) {
	text, err := custody.ReadSecretFile(path)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	block, rest := pem.Decode(text)
	if block == nil || block.Type != operatorKeyType || len(rest) != 0 {
		return nil, fmt.Errorf("%s: not the key file of an operator", path)
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: not the key file of an operator: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an Ed25519 key", path)
	}
	return key, nil
}

// operatorKeyOrNew reads the key at path, or makes one there; made is path then.
func operatorKeyOrNew(path string) (key ed25519.PrivateKey, made string, err error) {
	key, err = operatorKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, "", err
	}
	if _, key, err = ed25519.GenerateKey(nil); err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", err
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: operatorKeyType, Bytes: der})
	defer clear(text)
	return key, path, custody.WriteSecretFile(path, text)
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }
