package login

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

const (
	// outboxEvery is how often the outbox is looked through.
	outboxEvery = time.Second
	// firstPause follows the first try that failed; it doubles up to lastPause.
	firstPause = 2 * time.Second
	lastPause  = 10 * time.Minute
)

// outbox tells authorities of revoked devices, and owners of locked ones, until
// they have it. What is to be told stands in the database since the transaction
// that made it true, so nothing is lost by a crash, and nothing waits for who does
// not answer.
type outbox struct {
	state    *state
	realm    *realm
	signing  ed25519.PrivateKey
	client   *dta.Client
	mailer   *mailer
	inviter  *inviter
	clock    func() time.Time
	log      *slog.Logger
	counters *counters
	woken    chan struct{}
}

// pause returns how long to wait after so many tries.
func pause(tries int) time.Duration { return min(firstPause<<min(tries, 16), lastPause) }

// wake has notices sent now.
func (o *outbox) wake() {
	select {
	case o.woken <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (o *outbox) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { o.loop(ctx, "notices", o.woken, o.notices) })
	all.Go(func() { o.loop(ctx, "mails", nil, o.mails) })
	all.Go(func() { o.loop(ctx, "invitations", nil, o.inviter.mails) })
	all.Wait()
}

func (o *outbox) loop(ctx context.Context, what string, woken <-chan struct{}, once func(context.Context) error) {
	ticker := time.NewTicker(outboxEvery)
	defer ticker.Stop()
	for {
		if err := once(ctx); err != nil && ctx.Err() == nil {
			o.log.Error("outbox not looked through", "what", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-woken:
		}
	}
}

func (o *outbox) notices(ctx context.Context) error {
	claimed, err := o.state.claimNotices(ctx, o.clock())
	var all sync.WaitGroup
	for _, n := range claimed {
		all.Go(func() { o.notify(ctx, n) })
	}
	all.Wait()
	return err
}

func (o *outbox) notify(ctx context.Context, n notice) {
	err := o.tell(ctx, n)
	if err == nil {
		err = o.state.delivered(ctx, n)
	}
	if ctx.Err() != nil {
		return
	}
	o.counters.try("notice", err)
	if err != nil {
		o.log.Warn("authority does not have the notice yet", "authority", n.authority, "tries", n.tries+1, "error", err)
		return
	}
	o.log.Info("authority was told", "authority", n.authority, "name", n.who.name, "device", n.who.device.String())
}

func (o *outbox) tell(ctx context.Context, n notice) error {
	document := o.realm.now.Load().document
	if document == nil {
		return errors.New("no domain document")
	}
	authority, ok := document.Authority(n.authority)
	if !ok {
		return errors.New("the domain has no such authority")
	}
	name, err := identity.ParseName(n.who.name)
	if err != nil {
		return err
	}
	word := dta.Notice{Domain: document.ID(), Service: n.who.service, Name: name, Device: n.who.device,
		Time: unixSeconds(time.UnixMicro(n.revoked))}
	return o.client.Notify(ctx, authority.URL, word.Sign(o.signing))
}

// mails takes up new locks and mails about them.
func (o *outbox) mails(ctx context.Context) error {
	locks, err := o.state.takeLocks(ctx, o.clock(), o.mailer.reaches)
	if err != nil {
		return err
	}
	for _, m := range locks {
		o.log.Warn("device is locked", "name", m.who.name, "device", m.who.device.String(), "streak", m.streak, "total", m.total,
			"mailed", o.mailer.reaches(m.who))
	}
	claimed, err := o.state.claimMails(ctx, o.clock())
	for _, m := range claimed {
		o.mail(ctx, m)
	}
	return err
}

func (o *outbox) mail(ctx context.Context, m lockMail) {
	err := o.mailer.lock(ctx, o.realm.self.card, m)
	if err == nil {
		err = o.state.sent(ctx, m)
	}
	if ctx.Err() != nil {
		return
	}
	o.counters.try("mail", err)
	if err != nil {
		o.log.Warn("owner was not told of the lock yet", "name", m.who.name, "tries", m.tries+1, "error", err)
		return
	}
	o.log.Info("owner was told of the lock", "name", m.who.name, "device", m.who.device.String())
}
