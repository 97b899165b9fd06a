package login

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

const (
	// needApprovals is how many different operators decide together.
	needApprovals = 2
	// proposalLife is how long a proposal waits for them.
	proposalLife = 24 * time.Hour
	// maxProposals bounds those that wait.
	maxProposals = 100
)

// council decides critical acts: those that can give somebody else's key, sign-ins or
// tries at a PIN away (spec/operators.md). Without operators there is none, and
// whoever is at the socket acts.
type council struct {
	operators []OperatorKey
	server    ed25519.PublicKey // of the card
	state     *state
	inviter   *inviter
	add       func(context.Context, transaction, Application) (Applications, error)
	clock     func() time.Time
	log       *slog.Logger
}

// CheckOperators returns an error if these people cannot decide two together: fewer
// than two but not none, a name or a key twice.
func CheckOperators(all []OperatorKey) error {
	if len(all) > 0 && len(all) < needApprovals {
		return fmt.Errorf("%d operator: %d decide together, so there are none or at least so many", len(all), needApprovals)
	}
	names, keys := map[string]bool{}, map[HexHash]bool{}
	for _, one := range all {
		switch {
		case dkg.CheckName(one.Name) != nil:
			return fmt.Errorf("operator %.80q: a name is 1 to 64 printable ASCII characters", one.Name)
		case one.Key == HexHash{}:
			return fmt.Errorf("operator %s: the key is missing", one.Name)
		case names[one.Name] || keys[one.Key]:
			return fmt.Errorf("operator %s: the name or the key stands twice: two approvals would be one person's", one.Name)
		}
		names[one.Name], keys[one.Key] = true, true
	}
	return nil
}

// sits reports whether critical acts want two operators.
func (c *council) sits() bool { return len(c.operators) > 0 }

// propose keeps an act until two operators have approved it.
func (c *council) propose(ctx context.Context, a Act) (*Proposal, error) {
	now := c.clock()
	p := proposed{id: newProposalID(), act: a, made: now, expires: now.Add(proposalLife)}
	if err := c.state.propose(ctx, p); err != nil {
		return nil, unavailable(err)
	}
	c.log.Info("proposed", "proposal", p.id.String(), "act", a.Kind(), "subject", a.Subject())
	shown, _ := c.show(p)
	return &shown, nil
}

// show returns a proposal for operators, and how many of those of today approve it.
func (c *council) show(p proposed) (Proposal, int) {
	shown := Proposal{ID: p.id, Act: p.act, Made: p.made.UTC(), Expires: p.expires.UTC(), Approved: []string{}, Needed: needApprovals}
	for _, signed := range p.approvals {
		if by, _, err := approvalOf(signed, c.server, p.id, p.act, c.operators); err == nil {
			shown.Approved = append(shown.Approved, by.Name)
		}
	}
	return shown, len(shown.Approved)
}

// proposals lists those that wait.
func (c *council) proposals(ctx context.Context) (all Proposals, err error) {
	list, err := c.state.proposals(ctx, c.clock())
	if err != nil {
		return all, unavailable(err)
	}
	all.Proposals = []Proposal{}
	for _, p := range list {
		shown, _ := c.show(p)
		all.Proposals = append(all.Proposals, shown)
	}
	return all, nil
}

// approve takes the approval of one operator. With that of another the act is done, in
// the transaction that says so: once, or not at all.
func (c *council) approve(ctx context.Context, id ProposalID, signed []byte) (done Approved, err error) {
	now := c.clock()
	err = c.state.write(ctx, func(ctx context.Context, tx transaction) error {
		p, err := tx.hold(ctx, id, now)
		if err != nil {
			return err
		}
		by, err := c.admit(p, signed, now)
		if err != nil {
			return err
		}
		if err := tx.approval(ctx, &p, by, signed, now); err != nil {
			return err
		}
		given := 0
		done = Approved{}
		if done.Proposal, given = c.show(p); given < needApprovals {
			return nil
		}
		if err := tx.decided(ctx, id); err != nil {
			return err
		}
		return c.do(ctx, tx, p.act, &done)
	})
	if err != nil {
		return Approved{}, unavailable(err)
	}
	c.log.Info("approved", "proposal", id.String(), "act", done.Proposal.Act.Kind(), "subject", done.Proposal.Act.Subject(),
		"operators", strings.Join(done.Proposal.Approved, ", "), "done", done.Done)
	return done, nil
}

// admit returns whose approval it is: one of now, for this server and this act.
func (c *council) admit(p proposed, signed []byte, now time.Time) (OperatorKey, error) {
	by, at, err := approvalOf(signed, c.server, p.id, p.act, c.operators)
	switch {
	case errors.Is(err, errNoOperator):
		return by, problem.New(problem.Forbidden, "no operator of this login server signed it").WithAdvice("'milagro login status' shows who is one")
	case err != nil:
		return by, problem.New(problem.Malformed, "%s", errApproval)
	}
	if here := unixSeconds(now); at+identity.MaxSkew < here || at > here+identity.MaxSkew {
		return by, problem.New(problem.StaleTime, "the approval is of %d, here it is %d", at, here)
	}
	return by, nil
}

// do does what was decided.
func (c *council) do(ctx context.Context, tx transaction, a Act, done *Approved) error {
	done.Done = true
	now := c.clock()
	switch {
	case a.Invite != nil:
		made, err := c.inviter.make(ctx, tx, *a.Invite, now)
		done.Invitation = &made
		return err
	case a.Unlock != nil:
		which, err := selected(a.Unlock.Name, a.Unlock.Device)
		if err != nil {
			return err
		}
		u, err := tx.unlock(ctx, which, now)
		done.Unlocked = &u
		return err
	case a.Client != nil:
		added, err := c.add(ctx, tx, *a.Client)
		done.Applications = &added
		return err
	}
	return problem.New(problem.Internal, "")
}
