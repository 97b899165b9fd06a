package main

import (
	"bytes"
	"fmt"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/oidc"
)

// clientConfig is an application that signs people in, as a [[client]] table has it.
type clientConfig struct {
	Name        string   `toml:"name"`
	Redirects   []string `toml:"redirect"`
	PostLogouts []string `toml:"post_logout"`
	SecretFile  string   `toml:"secret_file"`
	Public      bool     `toml:"public"`
}

// openIDClients returns the applications of the settings. Each has a secret, in a
// file that only the owner reads, or says that it is public.
func openIDClients(tables []clientConfig) (clients []oidc.Client, err error) {
	for _, t := range tables {
		c := oidc.Client{ID: t.Name, Redirects: t.Redirects, PostLogouts: t.PostLogouts}
		if t.Public == (t.SecretFile != "") {
			return nil, fmt.Errorf("client %.80q: one of secret_file and public = true", t.Name)
		}
		if t.SecretFile != "" {
			text, err := custody.ReadSecretFile(t.SecretFile)
			if err != nil {
				return nil, err
			}
			if c.Secret, err = oidc.HashSecret(string(bytes.TrimRight(text, "\r\n"))); err != nil {
				return nil, fmt.Errorf("%s: %w", t.SecretFile, err)
			}
		}
		if err := c.Check(); err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}
