package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
)

// planResult is a plan as its signers read it.
type planResult struct {
	Plan        string       `json:"plan"` // its hash
	Domain      string       `json:"domain"`
	Threshold   int          `json:"threshold"`
	Survives    int          `json:"survives_lost"`
	Resists     int          `json:"resists_bad"`
	Epochs      []planEpoch  `json:"epochs"`
	Flags       []string     `json:"flags"`
	Service     *planService `json:"service,omitempty"` // of a login service's master
	Authorities []planMember `json:"authorities"`
	Warnings    []string     `json:"warnings"`
}

type planEpoch struct {
	Purpose identity.Purpose `json:"purpose"`
	Seconds uint32           `json:"seconds"`
}

type planMember struct {
	Index       int      `json:"index"`
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Fingerprint string   `json:"fingerprint"`
	Words       []string `json:"words"`
}

// planOptions are the flags of 'ceremony plan'.
type planOptions struct {
	domain, out     string
	login, document string
	threshold       uint32
	epochs          map[string]string
	flags           []string
}

func (o *planOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.domain, "domain", "", "name of the trust domain, such as example.org (required without --document)")
	f.Uint32Var(&o.threshold, "threshold", 0, "how many authorities make a key (default all; with --document its own)")
	f.StringVar(&o.out, "out", "", "new file for the plan (required)")
	f.StringToStringVar(&o.epochs, "epoch", nil, "length of a purpose's epochs (default channel=24h,decrypt=24h; with --login permit="+permitEpochs+")")
	f.StringSliceVar(&o.flags, "flag", nil, "what the domain states of itself, such as shared-root")
	f.StringVar(&o.login, "login", "", "card of a login server, to add its service to a domain")
	f.StringVar(&o.document, "document", "", "the domain's document, with --login")
}

func ceremonyPlanCommand() *cobra.Command {
	o := new(planOptions)
	cmd := addJSON(&cobra.Command{
		Use: "plan [CARD…]", Short: "write down who makes a master, and of what kind", Args: o.checkCards,
		Example: "  milagro ceremony plan --domain example.org --threshold 2 --out plan.txt alpha.card beta.card gamma.card\n  milagro ceremony plan --login login.card --document domain.json --out login-plan.txt",
		Long: `Write a plan from the authorities' cards ('milagro dta card'); the first card is
authority 1. Any --threshold of them will make a key: with all of them, the
default, every single one must be subverted to forge a name, and none may be lost.

With --login the plan is for the master of a login service, and --document is the
domain's document as it is served. The cards are those of its authorities, and are
fetched from them if none are given.`,
	})
	o.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.out == "" {
			return usagef(cmd, "%s: --out is required", cmd.CommandPath())
		}
		plan, err := o.plan(cmd, args)
		if err != nil {
			return err
		}
		r, err := describePlan(plan)
		if err != nil {
			return err
		}
		if err := writeNew(o.out, 0o644, armour(plan.Bytes())); err != nil {
			return err
		}
		note(cmd, "wrote %s: have each operator sign it with 'milagro ceremony sign'", o.out)
		return show(cmd, r)
	}
	return cmd
}

// checkCards wants a card at least, unless they can be fetched.
func (o *planOptions) checkCards(cmd *cobra.Command, args []string) error {
	if o.login != "" {
		return nil
	}
	return atLeastOne("CARD")(cmd, args)
}

// plan makes the plan of a new domain, or of a service of one.
func (o *planOptions) plan(cmd *cobra.Command, paths []string) (*dkg.Plan, error) {
	if o.login != "" {
		return o.loginPlan(cmd, paths)
	}
	if o.domain == "" || o.document != "" {
		return nil, usagef(cmd, "%s: --domain is required, or --login and --document", cmd.CommandPath())
	}
	terms := dkg.Terms{Kind: dkg.Public, Domain: o.domain, Threshold: cmp.Or(o.threshold, uint32(len(paths))),
		Flags: slices.Sorted(slices.Values(o.flags))}
	var err error
	if terms.Schedules, err = planSchedules(o.epochs, map[string]string{"channel": "24h", "decrypt": "24h"}); err != nil {
		return nil, usagef(cmd, "--epoch: %w", err)
	}
	if terms.Cards, err = readCards(cmd, paths); err != nil {
		return nil, err
	}
	return dkg.NewPlan(terms)
}

// planSchedules returns the lengths of epochs that were given, or else those of
// lengths.
func planSchedules(given, lengths map[string]string) ([]dkg.Schedule, error) {
	lengths = maps.Clone(lengths)
	maps.Copy(lengths, given)
	var all []dkg.Schedule
	for purpose, text := range lengths {
		p, err := identity.ParsePurpose(purpose)
		if err != nil {
			return nil, err
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second || d%time.Second != 0 || d/time.Second > 1<<31-1 {
			return nil, fmt.Errorf("%s=%s: a length is whole seconds, such as 24h", purpose, text)
		}
		all = append(all, dkg.Schedule{Purpose: p, Length: uint32(d / time.Second)})
	}
	slices.SortFunc(all, func(a, b dkg.Schedule) int { return cmp.Compare(a.Purpose, b.Purpose) })
	return all, nil
}

func readCards(cmd *cobra.Command, paths []string) ([]*dkg.Card, error) {
	var cards []*dkg.Card
	for _, path := range paths {
		b, err := readArmour(path, cmd.InOrStdin())
		if err != nil {
			return nil, err
		}
		card, err := dkg.ParseCard(b)
		if err != nil {
			return nil, withHint(fmt.Errorf("%s: %w", path, err), "a card is what 'milagro dta card' prints")
		}
		cards = append(cards, card)
	}
	return cards, nil
}

func describePlan(p *dkg.Plan) (planResult, error) {
	service, err := describeService(p)
	if err != nil {
		return planResult{}, err
	}
	hash := p.Hash()
	r := planResult{Plan: hex.EncodeToString(hash[:]), Domain: p.Domain(), Service: service, Threshold: p.Threshold(),
		Survives: p.Size() - p.Threshold(), Resists: p.Threshold() - 1, Flags: p.Flags(), Warnings: p.Warnings()}
	for _, s := range p.Schedules() {
		r.Epochs = append(r.Epochs, planEpoch{Purpose: s.Purpose, Seconds: s.Length})
	}
	for i, c := range p.Cards() {
		card := describeCard(c)
		r.Authorities = append(r.Authorities, planMember{Index: i + 1, Name: c.Name, URL: c.URL, Fingerprint: card.Fingerprint, Words: card.Words})
	}
	return r, nil
}

// Text prints what an operator must know before he signs.
func (r planResult) Text(w io.Writer) {
	fmt.Fprintf(w, "domain %s: any %d of these %d authorities make a key\n", r.Domain, r.Threshold, len(r.Authorities))
	fmt.Fprintf(w, "  it survives the loss of %d of them, and resists %d that are bad\n", r.Survives, r.Resists)
	if r.Service != nil {
		r.Service.Text(w)
	}
	for _, e := range r.Epochs {
		fmt.Fprintf(w, "  keys for %s hold for epochs of %v\n", e.Purpose, time.Duration(e.Seconds)*time.Second)
	}
	if len(r.Flags) > 0 {
		fmt.Fprintf(w, "  the domain states of itself: %s\n", strings.Join(r.Flags, ", "))
	}
	for _, m := range r.Authorities {
		fmt.Fprintf(w, "authority %d: %s (%s)\n%s", m.Index, m.Name, m.URL, wordLines(m.Words, "    "))
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	fmt.Fprintf(w, "plan %s\n", r.Plan)
}
