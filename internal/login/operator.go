package login

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

const (
	// strangersLife is how long the audit of who has no row is kept: anybody can
	// cause it.
	strangersLife = 24 * time.Hour
	// revokeRounds bounds how often a revocation looks for rows that were made
	// while it ran.
	revokeRounds = 8
	// applyAtOnce is how many entries of the journal go into one transaction.
	applyAtOnce = 500

	defaultAudit, maxAudit = 100, 10_000
)

func decimal(n int) string { return strconv.Itoa(n) }

// registry is what the operator does with devices.
type registry struct {
	state   *state
	realm   *realm
	journal *journal
	outbox  *outbox
	clock   func() time.Time
	log     *slog.Logger
}

// revoke ends one device of a name, or all, and with each the successor of its PIN
// change. The journal has it before the database has.
func (r *registry) revoke(ctx context.Context, which selection) (Revoked, error) {
	var all Revoked
	if which.device == nil { // what was not used yet would bring another device
		if _, err := r.state.withdraw(ctx, which.name, r.clock()); err != nil {
			return all, unavailable(err)
		}
	}
	for range revokeRounds {
		now := r.clock()
		list, err := r.targets(ctx, which, all.Devices == 0)
		if err != nil {
			return all, unavailable(err)
		}
		if len(list) == 0 {
			r.outbox.wake()
			return all, nil
		}
		if err := r.journal.add(now, list...); err != nil {
			return all, unavailable(err)
		}
		n, err := r.state.revoke(ctx, list, "by the operator", r.authorities(), now)
		if err != nil {
			return all, unavailable(err)
		}
		all.Devices += n
		for _, who := range list {
			r.log.Info("revoked", "name", who.name, "device", who.device.String(), "by", "operator")
		}
		if n == 0 {
			break
		}
	}
	r.outbox.wake()
	return all, nil
}

// targets returns who is to be revoked. A device that has no row yet must not get
// one later.
func (r *registry) targets(ctx context.Context, which selection, first bool) ([]subject, error) {
	list, err := r.state.unrevoked(ctx, which)
	if err != nil || len(list) > 0 || which.device == nil || !first {
		return list, err
	}
	s := r.realm.now.Load()
	if !s.listed {
		return nil, s.refused()
	}
	who := subject{s.id, which.name, *which.device}
	p, err := r.state.place(ctx, who)
	if err != nil || p.row.known {
		return nil, err
	}
	return []subject{who}, nil
}

func (r *registry) authorities() []uint32 {
	s := r.realm.now.Load()
	if s.document == nil {
		return nil
	}
	return s.indices()
}

func (r *registry) unlock(ctx context.Context, which selection) (Unlocked, error) {
	u, err := r.state.unlock(ctx, which, r.clock())
	if err != nil {
		return u, unavailable(err)
	}
	r.log.Info("unlocked", "name", which.name, "devices", u.Devices)
	return u, nil
}

// recover makes database and journal agree: who is revoked in one is revoked in
// the other. It runs before anybody is served.
func (r *registry) recover(ctx context.Context) error {
	inDatabase, err := r.state.allRevoked(ctx)
	if err != nil {
		return err
	}
	known := map[subject]bool{}
	for _, who := range inDatabase {
		known[who] = true
	}
	var missing []subject
	for _, who := range r.journal.all() {
		if !known[who] {
			missing = append(missing, who)
		}
	}
	for len(missing) > 0 {
		n := min(len(missing), applyAtOnce)
		if _, err := r.state.revoke(ctx, missing[:n], "from the journal", r.authorities(), r.clock()); err != nil {
			return err
		}
		missing = missing[n:]
	}
	return r.journal.add(r.clock(), inDatabase...)
}

// reconcile brings into the journal what other servers of this database revoked.
func (r *registry) reconcile(ctx context.Context) error {
	list, err := r.state.allRevoked(ctx)
	if err != nil {
		return err
	}
	return r.journal.add(r.clock(), list...)
}

// selected returns the selection of an operator's request.
func selected(name identity.Name, device *HexHash) (selection, error) {
	if name.IsZero() {
		return selection{}, problem.New(problem.Malformed, "name is missing")
	}
	return selection{name: name.String(), device: (*identity.DeviceHash)(device)}, nil
}

// named reads whom a question is about; nobody in particular without a name.
func named(r *http.Request) (selection, error) {
	text := r.URL.Query().Get("name")
	if text == "" {
		return selection{}, nil
	}
	name, err := identity.ParseName(text)
	if err != nil {
		return selection{}, problem.New(problem.Malformed, "%v", err)
	}
	return selection{name: name.String()}, nil
}

// limited reads how many decisions are asked for.
func limited(text string) (int, error) {
	if text == "" {
		return defaultAudit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxAudit {
		return 0, problem.New(problem.Malformed, "limit is 1 to %d", maxAudit)
	}
	return n, nil
}
