package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
)

// permitEpochs is the length of the epochs of a domain's first login service.
const permitEpochs = "720h"

// planService is the login service of a plan, as its signers read it.
type planService struct {
	Name        string   `json:"name"`
	Origin      string   `json:"origin"`
	Fingerprint string   `json:"fingerprint"` // of its login server's card
	Words       []string `json:"words"`
	Revision    uint64   `json:"revision"` // of the document that the plan is for
}

// loginPlan makes the plan that adds the login service of a card to the domain that
// the document at path describes.
func (o *planOptions) loginPlan(cmd *cobra.Command, paths []string) (*dkg.Plan, error) {
	if o.document == "" || len(o.flags) > 0 {
		return nil, usagef(cmd, "%s: --login needs --document and takes no --flag", cmd.CommandPath())
	}
	document, err := readDocument(cmd, o.document)
	if err != nil {
		return nil, err
	}
	b, err := readArmour(o.login, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	card, err := dta.ParseLoginCard(b)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", o.login, err), "a login server's card is what 'milagro login card' prints")
	}
	terms := dkg.Terms{Kind: dkg.Pin, Domain: cmp.Or(o.domain, document.Domain()), Threshold: cmp.Or(o.threshold, uint32(document.Threshold())),
		Service: &dkg.Service{DomainID: document.ID(), Name: card.Service, Origin: card.Origin, LoginKey: card.Bytes(),
			Revision: document.Revision(), DocumentHash: document.Hash()}}
	if terms.Schedules, err = planSchedules(o.epochs, permitsOf(document)); err != nil {
		return nil, usagef(cmd, "--epoch: %w", err)
	}
	if terms.Cards, err = readCards(cmd, paths); err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		if terms.Cards, err = fetchCards(cmd.Context(), document); err != nil {
			return nil, err
		}
	}
	plan, err := dkg.NewPlan(terms)
	if err != nil {
		return nil, err
	}
	_, err = dta.FitsPlan(document, plan)
	return plan, err
}

// permitsOf returns the lengths of the epochs that the domain has, or gets.
func permitsOf(document *dta.Document) map[string]string {
	if s, ok := document.Schedule(identity.Permit); ok {
		return map[string]string{string(identity.Permit): fmt.Sprintf("%ds", s.Length)}
	}
	return map[string]string{string(identity.Permit): permitEpochs}
}

// readDocument reads the file of a domain document, which must be signed by the
// master that it names.
func readDocument(cmd *cobra.Command, path string) (*dta.Document, error) {
	b, err := readInput(path, cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	p, err := dta.ParsePublished(b)
	if err == nil {
		err = p.Verify(p.Document.ID())
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", path, err), "a domain document is what 'milagro ceremony run --out' writes")
	}
	return p.Document, nil
}

// fetchCards asks each authority of a document for its card, which must be of the
// keys that the document has.
func fetchCards(ctx context.Context, document *dta.Document) ([]*dkg.Card, error) {
	var cards []*dkg.Card
	for _, a := range document.Authorities() {
		b, err := new(dta.Client).Card(ctx, a.URL)
		if err != nil {
			return nil, fmt.Errorf("authority %d (%s): %w", a.Index, a.Name, err)
		}
		card, err := dkg.ParseCard(b)
		if err == nil && (!a.Ed25519.Equal(card.Ed25519) || !bytes.Equal(a.HPKE.Bytes(), card.HPKE.Bytes())) {
			err = fmt.Errorf("the card at %s is of other keys than the document's", a.URL)
		}
		if err != nil {
			return nil, fmt.Errorf("authority %d (%s): %w", a.Index, a.Name, err)
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// describeService returns the service of a plan; nil if it is for none.
func describeService(p *dkg.Plan) (*planService, error) {
	s := p.Service()
	if s == nil {
		return nil, nil
	}
	card, err := dta.ParseLoginCard(s.LoginKey)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	sum := card.Fingerprint()
	return &planService{Name: s.Name, Origin: s.Origin, Fingerprint: fmt.Sprintf("%x", sum), Words: fingerprintWords(sum), Revision: s.Revision}, nil
}

// Text prints which login server will verify with the master.
func (s *planService) Text(w io.Writer) {
	fmt.Fprintf(w, "a new login service: %s at %s, for revision %d of the domain document\n", s.Name, s.Origin, s.Revision)
	fmt.Fprintf(w, "  words of its login server's card:\n%s", wordLines(s.Words, "    "))
}
