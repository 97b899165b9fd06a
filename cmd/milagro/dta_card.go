package main

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/dkg"
)

type cardResult struct {
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Fingerprint string   `json:"fingerprint"`
	Words       []string `json:"words"`
	Card        []byte   `json:"card"`
}

func dtaCardCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "card", Short: "print the authority's public card", Args: exactly(),
		Example: "  milagro dta card --dir ./alpha > alpha.card\n  milagro dta card --dir ./alpha --words",
		Long: `Print the signed public card, one line of text, for 'milagro ceremony plan'. With
--words print its fingerprint as words, to be read out over the telephone: who
receives the card compares them with what 'milagro ceremony sign' shows.`,
	})
	words := cmd.Flags().Bool("words", false, "print the card's fingerprint as words")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := dtaDir(cmd)
		if err != nil {
			return err
		}
		card, err := authority.ReadCard(dir)
		if err != nil {
			return withHint(err, "'milagro dta init' makes an authority's directory")
		}
		if *words {
			return show(cmd, cardWords(describeCard(card)))
		}
		return show(cmd, describeCard(card))
	}
	return cmd
}

func describeCard(c *dkg.Card) cardResult {
	sum := c.Fingerprint()
	return cardResult{Name: c.Name, URL: c.URL, Fingerprint: hex.EncodeToString(sum[:]), Words: fingerprintWords(sum), Card: c.Bytes()}
}

// Text prints the card itself.
func (r cardResult) Text(w io.Writer) { w.Write(armour(r.Card)) }

// cardWords is a card shown by its fingerprint.
type cardWords cardResult

// Text prints whose fingerprint it is, and its words.
func (r cardWords) Text(w io.Writer) {
	fmt.Fprintf(w, "%s (%s)\n%s", r.Name, r.URL, wordLines(r.Words, "  "))
}
