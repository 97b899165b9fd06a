package login_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
)

// people are operators with their keys.
type people struct {
	keys []ed25519.PrivateKey
	all  []login.OperatorKey
}

func newPeople(t testing.TB, names ...string) *people {
	t.Helper()
	p := new(people)
	for _, name := range names {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		p.keys = append(p.keys, private)
		p.all = append(p.all, login.OperatorKey{Name: name, Key: login.HexHash(public)})
	}
	return p
}

// governed makes a login server with an OpenID provider where operators decide.
func governed(t testing.TB, p *people, edit func(*logintest.Config)) *stage {
	t.Helper()
	return newStage(t, func(c *logintest.Config) {
		withOpenID(c)
		if edit != nil {
			edit(c)
		}
		c.Login.Operators = p.all
	})
}

// proposes proposes each of the critical acts about a person, by its kind.
func (s *stage) proposes(name identity.Name) map[string]login.Proposal {
	s.t.Helper()
	ctx := s.t.Context()
	invited, err := s.Operator().Invite(ctx, name, time.Time{})
	s.done(err)
	unlocked, err := s.Operator().Unlock(ctx, name, nil)
	s.done(err)
	added, err := s.Operator().AddClient(ctx, login.Application{Client: "shop", Redirects: []string{"https://shop.example.org/cb"}, Public: true})
	s.done(err)
	if invited.Proposal == nil || unlocked.Proposal == nil || added.Proposal == nil || invited.Link != "" || len(added.Applications) != 0 {
		s.t.Fatalf("%+v, %+v, %+v", invited, unlocked, added)
	}
	return map[string]login.Proposal{"invite": *invited.Proposal, "unlock": *unlocked.Proposal, "client": *added.Proposal}
}

// undone fails the test if one of the critical acts about a locked person was done.
func (s *stage) undone(p *logintest.Person, what string) {
	s.t.Helper()
	invitations, err := s.Operator().Invitations(context.WithoutCancel(s.t.Context()), p.Name)
	s.done(err)
	clients, err := s.Operator().Clients(s.t.Context())
	s.done(err)
	if len(invitations.Invitations) != 0 || s.device(p).State != "locked" || len(clients.Applications) != 1 {
		s.t.Errorf("%s: %+v, %+v, %+v", what, invitations, s.device(p), clients)
	}
}

// TestCriticalActsWantTwoOperators: a proposal does nothing, nor does one operator
// however often he approves; the second does it, once, and what is harmless needs none.
func TestCriticalActsWantTwoOperators(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		o := newPeople(t, "ann", "ben", "cleo")
		s := governed(t, o, engine)
		p := s.Person(t, alice, right)
		s.locks(p)
		proposals := s.proposes(p.Name)
		s.undone(p, "proposed")
		for kind, one := range proposals {
			for range 2 {
				a, err := s.Operator().Approve(t.Context(), o.keys[0], one)
				if err != nil || a.Done || len(a.Proposal.Approved) != 1 || a.Proposal.Approved[0] != "ann" || a.Proposal.Needed != 2 {
					t.Errorf("%s by one: %+v, %v", kind, a, err)
				}
			}
		}
		s.undone(p, "approved by one")
		s.done(s.Restart(t.Context())) // what waits is in the database
		waiting, err := s.Operator().Proposals(t.Context())
		s.done(err)
		status, err := s.Operator().Status(t.Context())
		s.done(err)
		if len(waiting.Proposals) != 3 || status.Proposals != 3 || len(status.Operators) != 3 {
			t.Errorf("waiting %+v, status %+v", waiting, status)
		}
		done := map[string]login.Approved{}
		for kind, one := range proposals {
			if done[kind], err = s.Operator().Approve(t.Context(), o.keys[1], one); err != nil || !done[kind].Done {
				t.Fatalf("%s by two: %+v, %v", kind, done[kind], err)
			}
			_, err = s.Operator().Approve(t.Context(), o.keys[2], one)
			refused(t, err, problem.NotFound)
		}
		i, err := dta.ParseInvitation(done["invite"].Invitation.Link)
		s.done(err)
		if said, err := p.Client.OpenInvitation(t.Context(), i); err != nil || said.Name != p.Name {
			t.Errorf("%+v, %v", said, err)
		}
		s.counts(p, 0, 5, "active")
		if clients, err := s.Operator().Clients(t.Context()); err != nil || len(clients.Applications) != 2 || done["unlock"].Unlocked.Devices != 1 {
			t.Errorf("%+v, %v", clients, err)
		}
		s.remembersWho(p)
		if r, err := s.Operator().Revoke(t.Context(), p.Name, nil); err != nil || r.Devices != 1 {
			t.Errorf("a revocation waits: %+v, %v", r, err)
		}
		s.done(s.Operator().RemoveClient(t.Context(), "shop"))
	})
}

// remembersWho holds the audit against who has proposed and approved.
func (s *stage) remembersWho(p *logintest.Person) {
	s.t.Helper()
	a, err := s.Operator().Audit(s.t.Context(), identity.Name{}, 0)
	s.done(err)
	var text strings.Builder
	for _, d := range a.Decisions {
		text.WriteString(d.Name + " " + d.Event + " " + d.Reason + "\n")
	}
	for _, line := range []string{alice + " proposed invite", alice + " approved invite by ann", alice + " approved invite by ben", alice + " invited operator",
		alice + " proposed unlock", alice + " approved unlock by ben", alice + " unlocked ", " approved client shop by ann", " client-added shop"} {
		if n := strings.Count("\n"+text.String(), "\n"+line+"\n"); n != 1 {
			s.t.Errorf("%d times %q in\n%s", n, line, text.String())
		}
	}
	if n := s.Login.Approvals(s.t.Context()); n != 6 {
		s.t.Errorf("%d signatures are kept", n)
	}
}

// TestApprovalIsOfExactlyOneProposal: whatever of it is another, it is none.
func TestApprovalIsOfExactlyOneProposal(t *testing.T) {
	t.Parallel()
	o := newPeople(t, "ann", "ben")
	s := governed(t, o, nil)
	p := s.Person(t, alice, right)
	s.locks(p)
	first, second := s.proposes(p.Name), s.proposes(p.Name)
	status, err := s.Operator().Status(t.Context())
	s.done(err)
	server, now := status.Key[:], uint64(status.Clock.Unix())
	stranger := newPeople(t, "ann").keys[0]
	one := first["invite"]
	other := one.Act
	other.Invite = &login.InviteAct{Name: identityName(t, bob), Expires: one.Act.Invite.Expires}
	longer := one.Act
	longer.Invite = &login.InviteAct{Name: p.Name, Expires: one.Act.Invite.Expires.Add(time.Second)}
	for what, c := range map[string]struct {
		signed []byte
		kind   problem.Kind
	}{
		"nothing":                    {nil, problem.Malformed},
		"of another proposal":        {encoding.Sign(o.keys[0], login.ApprovalBody(one.Act, server, second["invite"].ID, now)), problem.Malformed},
		"of another act":             {encoding.Sign(o.keys[0], login.ApprovalBody(first["unlock"].Act, server, one.ID, now)), problem.Malformed},
		"of another person":          {encoding.Sign(o.keys[0], login.ApprovalBody(other, server, one.ID, now)), problem.Malformed},
		"of a longer invitation":     {encoding.Sign(o.keys[0], login.ApprovalBody(longer, server, one.ID, now)), problem.Malformed},
		"for another server":         {encoding.Sign(o.keys[0], login.ApprovalBody(one.Act, make([]byte, 32), one.ID, now)), problem.Malformed},
		"for an authority":           {encoding.Sign(o.keys[0], encoding.LP("milagro/v1 operator approval", server, []byte("operator"), nil, encoding.U64(now))), problem.Malformed},
		"by a stranger of that name": {encoding.Sign(stranger, login.ApprovalBody(one.Act, server, one.ID, now)), problem.Forbidden},
		"of long ago":                {encoding.Sign(o.keys[0], login.ApprovalBody(one.Act, server, one.ID, now-301)), problem.StaleTime},
		"of later":                   {encoding.Sign(o.keys[0], login.ApprovalBody(one.Act, server, one.ID, now+330)), problem.StaleTime},
		"with more behind it":        {append(encoding.Sign(o.keys[0], login.ApprovalBody(one.Act, server, one.ID, now)), 0), problem.Malformed},
	} {
		for range 2 {
			if got := s.approveRaw(t, one.ID, c.signed); got == nil || got.Kind != c.kind {
				t.Errorf("%s: %v, want %q", what, got, string(c.kind))
			}
		}
	}
	s.undone(p, "refused")
	if waiting, err := s.Operator().Proposals(t.Context()); err != nil || len(waiting.Proposals[len(waiting.Proposals)-1].Approved) != 0 {
		t.Errorf("%+v, %v", waiting, err)
	}
	// What ann said of one, shown again, says nothing of the next.
	signed := encoding.Sign(o.keys[0], login.ApprovalBody(one.Act, server, one.ID, now))
	if got := s.approveRaw(t, one.ID, signed); got != nil {
		t.Fatal(got)
	}
	if _, err := s.Operator().Approve(t.Context(), o.keys[1], one); err != nil {
		t.Fatal(err)
	}
	for _, id := range []login.ProposalID{one.ID, {}} {
		if got := s.approveRaw(t, id, signed); got == nil || got.Kind != problem.NotFound {
			t.Errorf("shown again: %v", got)
		}
	}
}

func identityName(t testing.TB, text string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// approveRaw shows an envelope and returns the refusal.
func (s *stage) approveRaw(t *testing.T, id login.ProposalID, signed []byte) *problem.Problem {
	t.Helper()
	body, err := json.Marshal(map[string]any{"proposal": id, "approval": signed})
	s.done(err)
	return s.admin().do(t, http.MethodPost, "/admin/approve", "application/json", bytes.NewReader(body)).problem
}

// TestApprovalsAtOnceDoItOnce: of many at once, at several servers, one does it.
func TestApprovalsAtOnceDoItOnce(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		o := newPeople(t, "ann", "ben", "cleo", "dan")
		s := governed(t, o, engine)
		p := s.newDevice(alice)
		servers := []*logintest.Server{s.Server}
		if engine != nil {
			replica, err := s.Replica(t.Context())
			s.done(err)
			defer func() { s.done(replica.Close()) }()
			servers = append(servers, replica)
		}
		const rounds = 6
		for range rounds {
			made, err := s.Operator().Invite(t.Context(), p.Name, time.Time{})
			s.done(err)
			links := make(chan string, 16)
			errs := all(cap(links), func(i int) error {
				a, err := servers[i%len(servers)].Operator().Approve(t.Context(), o.keys[i/2%len(o.keys)], *made.Proposal)
				if err == nil && a.Done {
					links <- a.Invitation.Link
				}
				return err
			})
			if len(links) != 1 || count(errs, nil)+count(errs, problem.NotFound) != len(errs) {
				t.Errorf("%d links; %v", len(links), other(errs, problem.NotFound))
			}
		}
		if list, err := s.Operator().Invitations(t.Context(), p.Name); err != nil || len(list.Invitations) != rounds {
			t.Errorf("%d invitations, %v", len(list.Invitations), err)
		}
	})
}

// TestProposalsPass: after a day, or when somebody drops them; a hundred wait at most,
// and with the audit their signatures are forgotten.
func TestProposalsPass(t *testing.T) {
	t.Parallel()
	o := newPeople(t, "ann", "ben")
	s := governed(t, o, func(c *logintest.Config) { c.Login.AuditLife = 48 * time.Hour })
	p := s.newDevice(alice)
	invite := func() (login.Proposal, error) {
		made, err := s.Operator().Invite(t.Context(), p.Name, time.Time{})
		if err != nil {
			return login.Proposal{}, err
		}
		return *made.Proposal, nil
	}
	late, err := invite()
	s.done(err)
	_, err = s.Operator().Approve(t.Context(), o.keys[0], late)
	s.done(err)
	s.clock.forward(24*time.Hour + time.Second)
	_, err = s.Operator().Approve(t.Context(), o.keys[1], late)
	refused(t, err, problem.NotFound)
	s.done(s.Login.ExpireProposals(t.Context()))
	if n := s.Login.Approvals(t.Context()); n != 0 {
		t.Errorf("%d approvals of nothing", n)
	}
	dropped, err := invite()
	s.done(err)
	_, err = s.Operator().Approve(t.Context(), o.keys[0], dropped)
	s.done(err)
	s.done(s.Operator().Drop(t.Context(), dropped.ID))
	_, err = s.Operator().Approve(t.Context(), o.keys[1], dropped)
	refused(t, err, problem.NotFound)
	refused(t, s.Operator().Drop(t.Context(), dropped.ID), problem.NotFound)
	for range 100 {
		_, err := invite()
		s.done(err)
	}
	_, err = invite()
	refused(t, err, problem.Forbidden)
	list, err := s.Operator().Proposals(t.Context())
	s.done(err)
	for _, key := range o.keys {
		_, err := s.Operator().Approve(t.Context(), key, list.Proposals[0])
		s.done(err)
	}
	s.clock.forward(25 * time.Hour)
	s.done(s.Login.ExpireProposals(t.Context()))
	if n := s.Login.Approvals(t.Context()); n != 2 {
		t.Errorf("%d approvals of what was done yesterday", n)
	}
	s.clock.forward(24 * time.Hour)
	s.done(s.Login.ExpireProposals(t.Context()))
	if n := s.Login.Approvals(t.Context()); n != 0 {
		t.Errorf("%d approvals for ever", n)
	}
}

// TestActsThatCannotBeMeantAreNotProposed, nor done if they became so.
func TestActsThatCannotBeMeantAreNotProposed(t *testing.T) {
	t.Parallel()
	o := newPeople(t, "ann", "ben")
	s := governed(t, o, nil)
	ctx := t.Context()
	_, err := s.Operator().Invite(ctx, identityName(t, "acct:alice@example.net"), time.Time{})
	refused(t, err, problem.NameRefused)
	_, err = s.Operator().Invite(ctx, identityName(t, alice), s.clock.Now().Add(91*24*time.Hour))
	refused(t, err, problem.Malformed)
	shop := login.Application{Client: "shop", Redirects: []string{"https://shop.example.org/cb"}, Public: true}
	for kind, a := range map[problem.Kind]login.Application{
		problem.Malformed: {Client: "shop", Redirects: []string{"http://shop.example.org/cb"}, Public: true},
		problem.Forbidden: {Client: "wiki", Redirects: shop.Redirects, Public: true},
	} {
		_, err = s.Operator().AddClient(ctx, a)
		refused(t, err, kind)
	}
	var twice []login.Proposal
	for range 2 {
		added, err := s.Operator().AddClient(ctx, shop)
		s.done(err)
		twice = append(twice, *added.Proposal)
	}
	for _, one := range twice {
		_, err := s.Operator().Approve(ctx, o.keys[0], one)
		s.done(err)
	}
	_, err = s.Operator().Approve(ctx, o.keys[1], twice[0])
	s.done(err)
	_, err = s.Operator().Approve(ctx, o.keys[1], twice[1])
	refused(t, err, problem.Forbidden)
	waiting, err := s.Operator().Proposals(ctx)
	s.done(err)
	if len(waiting.Proposals) != 1 || len(waiting.Proposals[0].Approved) != 1 {
		t.Errorf("%+v", waiting)
	}
}

// TestOperatorsAreTwoPeople: one alone, or one as two, is refused before anything is
// served; who is none any more counts no longer.
func TestOperatorsAreTwoPeople(t *testing.T) {
	t.Parallel()
	o := newPeople(t, "ann", "ben", "cleo")
	s := governed(t, o, nil)
	made, err := s.Operator().Invite(t.Context(), identityName(t, alice), time.Time{})
	s.done(err)
	_, err = s.Operator().Approve(t.Context(), o.keys[0], *made.Proposal)
	s.done(err)
	s.done(s.Stop())
	for what, all := range map[string][]login.OperatorKey{
		"one":             o.all[:1],
		"a name twice":    {o.all[0], {Name: "ann", Key: o.all[1].Key}},
		"a key twice":     {o.all[0], {Name: "ben", Key: o.all[0].Key}},
		"no name":         {o.all[0], {Key: o.all[1].Key}},
		"a name of lines": {o.all[0], {Name: "ben\nann", Key: o.all[1].Key}},
		"no key":          {o.all[0], {Name: "ben"}},
	} {
		s.Configure(func(c *login.Config) { c.Operators = all })
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "operator") {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.Configure(func(c *login.Config) { c.Operators = o.all[1:] })
	s.done(s.Start(t.Context()))
	s.done(s.AwaitReady(t.Context()))
	_, err = s.Operator().Approve(t.Context(), o.keys[0], *made.Proposal)
	refused(t, err, problem.Forbidden)
	a, err := s.Operator().Approve(t.Context(), o.keys[1], *made.Proposal)
	if err != nil || a.Done || len(a.Proposal.Approved) != 1 || a.Proposal.Approved[0] != "ben" {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err = s.Operator().Approve(t.Context(), o.keys[2], *made.Proposal); err != nil || !a.Done {
		t.Errorf("%+v, %v", a, err)
	}
}

// FuzzApprovalOf: what is taken for an approval is one, byte for byte.
func FuzzApprovalOf(f *testing.F) {
	o := newPeople(f, "ann", "ben")
	server := make([]byte, 32)
	name, err := identity.ParseName(alice)
	if err != nil {
		f.Fatal(err)
	}
	act := login.Act{Unlock: &login.UnlockAct{Name: name}}
	f.Add(encoding.Sign(o.keys[0], login.ApprovalBody(act, server, login.ProposalID{1}, 7)))
	f.Add([]byte("milagro/v1 signed"))
	f.Fuzz(func(t *testing.T, signed []byte) {
		by, at, err := login.ApprovalOf(signed, server, login.ProposalID{1}, act, o.all)
		if err != nil {
			return
		}
		key := o.keys[0]
		if by.Name == "ben" {
			key = o.keys[1]
		}
		if !bytes.Equal(signed, encoding.Sign(key, login.ApprovalBody(act, server, login.ProposalID{1}, at))) {
			t.Errorf("%x is taken for an approval of %s at %d", signed, by.Name, at)
		}
	})
}
