package main

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/dta"
	"milagro.dev/internal/login"
)

type loginCardResult struct {
	Service     string   `json:"service"`
	Origin      string   `json:"origin"`
	Fingerprint string   `json:"fingerprint"`
	Key         string   `json:"key"` // Ed25519, for sections [[registration]] of authorities
	Words       []string `json:"words"`
	Card        []byte   `json:"card"`
}

func loginCardCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "card", Short: "print the login server's public card", Args: exactly(),
		Example: "  milagro login card --dir ./login > login.card\n  milagro login card --dir ./login --words",
		Long: `Print the signed public card, one line of text, for 'milagro ceremony plan --login'.
With --words print its fingerprint as words, to be read out over the telephone: the
operators compare them with what 'milagro ceremony sign' and 'milagro dta approve' show.
With --key print its Ed25519 key, which an authority's operator enters in a section
[[registration]] so that this server's invitations enrol people there.`,
	})
	words := cmd.Flags().Bool("words", false, "print the card's fingerprint as words")
	key := cmd.Flags().Bool("key", false, "print the key that sections [[registration]] of authorities name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := loginDir(cmd)
		if err != nil {
			return err
		}
		card, err := login.ReadCard(dir)
		if err != nil {
			return withHint(err, "'milagro login init' makes a login server's directory")
		}
		if *key {
			return show(cmd, loginCardKey(describeLoginCard(card)))
		}
		if *words {
			return show(cmd, loginCardWords(describeLoginCard(card)))
		}
		return show(cmd, describeLoginCard(card))
	}
	return cmd
}

func describeLoginCard(c *dta.LoginCard) loginCardResult {
	sum := c.Fingerprint()
	return loginCardResult{Service: c.Service, Origin: c.Origin, Fingerprint: hex.EncodeToString(sum[:]), Key: hex.EncodeToString(c.Ed25519), Words: fingerprintWords(sum), Card: c.Bytes()}
}

// Text prints the card itself.
func (r loginCardResult) Text(w io.Writer) { w.Write(armour(r.Card)) }

// loginCardWords is a card shown by its fingerprint.
type loginCardWords loginCardResult

// Text prints whose fingerprint it is, and its words.
func (r loginCardWords) Text(w io.Writer) {
	fmt.Fprintf(w, "%s (%s)\n%s", r.Service, r.Origin, wordLines(r.Words, "  "))
}

// loginCardKey is a card shown by its key.
type loginCardKey loginCardResult

// Text prints the key.
func (r loginCardKey) Text(w io.Writer) { fmt.Fprintln(w, r.Key) }
