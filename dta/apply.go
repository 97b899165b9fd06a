package dta

import (
	"cmp"
	"context"
	"crypto"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

const (
	// patience is how long Apply waits for the rest once t shares are good.
	patience = 2 * time.Second
	// typing is how long it waits instead where people type codes, and codeTries how
	// often they are asked for one.
	typing    = 10 * time.Minute
	codeTries = 10
	// tries is how often one sealed request is sent before its authority is
	// called silent; retryPause lies between.
	tries      = 3
	retryPause = 200 * time.Millisecond
)

// ErrThreshold says that fewer than t authorities gave a good share.
var ErrThreshold = errors.New("too few good shares")

// Application is what one applicant asks all authorities of a domain for.
type Application struct {
	Domain      *Published
	Key         identity.Key    // its Domain and Device are filled in
	Signer      crypto.Signer   // the device key
	Codes       map[uint32]Code // by authority; empty to renew
	ChannelKind uint8           // of purpose mpin: what its logins are bound to
	Now         func() uint64   // unix seconds
	// Evidence makes the evidence of the request to one authority where that is
	// not a code; nil for codes, or to renew.
	Evidence func(q *Request) ([]byte, error)
	// Vouchers are registrations for purpose mpin, by authority (spec/enrolment.md);
	// nil where something else is shown.
	Vouchers map[uint32][]byte
	// MailCode returns the code that an authority has mailed besides: refused is why it
	// gave no share, problem.EmailSent or problem.EmailRefused. The empty code asks for
	// another mail. It is called by several goroutines at once.
	MailCode func(ctx context.Context, a Authority, refused error) (string, error)
	// Combine makes the key of t verified shares; nil for keys.Combine. It is how
	// an M-Pin key is split without ever being whole.
	Combine func(threshold int, shares []keys.Share) (keys.Private, error)

	code string // mailed, of the request that is being made
}

// Outcome is what became of one authority's part.
type Outcome struct {
	Authority Authority
	// Err is nil for a good share. It wraps keys.ErrShare if the authority
	// signed a false one, *problem.Problem if it refused.
	Err error
	// Evidence convicts an authority that signed a false share, offline
	// (JudgeFalseShare); else empty.
	Evidence []byte
	// Statement is the signed enrolment statement of a first issuance.
	Statement []byte
}

// Grant is a whole key, with what each authority did.
type Grant struct {
	Key      identity.Key
	Private  keys.Private
	Outcomes []Outcome // in order of indices
}

// ApplyError says why an application got no key; it wraps ErrThreshold.
type ApplyError struct {
	Need     int
	Outcomes []Outcome
}

// Error names every authority that gave no good share, and why.
func (e *ApplyError) Error() string {
	var why []string
	good := 0
	for _, o := range e.Outcomes {
		if o.Err == nil {
			good++
			continue
		}
		why = append(why, fmt.Sprintf("authority %d (%s): %v", o.Authority.Index, o.Authority.Name, o.Err))
	}
	return fmt.Sprintf("%v: %d of the %d that are needed; %s", ErrThreshold, good, e.Need, strings.Join(why, "; "))
}

// Unwrap returns ErrThreshold and what each authority answered.
func (e *ApplyError) Unwrap() []error {
	errs := []error{ErrThreshold}
	for _, o := range e.Outcomes {
		if o.Err != nil {
			errs = append(errs, o.Err)
		}
	}
	return errs
}

// Apply asks every authority at once, verifies every share and combines t good
// ones (spec/issuance.md). Once t are good it waits two seconds more, so that
// a slow authority enrols the device as well, and no longer. An authority that
// lies, refuses or is silent is named in Outcomes; an *ApplyError says that
// fewer than t were good.
func (c *Client) Apply(ctx context.Context, a Application) (*Grant, error) {
	device, err := identity.DeviceOf(a.Signer)
	if err != nil {
		return nil, err
	}
	doc := a.Domain.Document
	if err := a.check(); err != nil {
		return nil, err
	}
	a.Key.Domain = doc.ID()
	if a.Key.Purpose != identity.Decrypt {
		a.Key.Device = device.Hash()
	}
	if err := a.Key.Check(); err != nil {
		return nil, err
	}
	outcomes, shares := c.gather(ctx, a, device)
	if len(shares) < doc.Threshold() {
		return nil, &ApplyError{Need: doc.Threshold(), Outcomes: outcomes}
	}
	combine := a.Combine
	if combine == nil {
		combine = keys.Combine
	}
	private, err := combine(doc.Threshold(), shares)
	if err != nil {
		return nil, fmt.Errorf("combine shares: %w", err)
	}
	return &Grant{Key: a.Key, Private: private, Outcomes: outcomes}, nil
}

// check refuses what no authority could accept, before any code is shown.
func (a Application) check() error {
	doc := a.Domain.Document
	if a.Key.Name.Domain() != doc.Domain() {
		return fmt.Errorf("%v does not lie in domain %s", a.Key.Name, doc.Domain())
	}
	if _, ok := doc.GenerationOf(a.Key); !ok {
		return fmt.Errorf("%w: domain %s has no such login service", ErrDocument, doc.Domain())
	}
	if n := len(a.Vouchers); n > 0 && n < doc.Threshold() {
		return fmt.Errorf("%w: vouchers for %d authorities, %d are needed", ErrRegistration, n, doc.Threshold())
	}
	if len(a.Codes) == 0 && a.Evidence == nil && len(a.Vouchers) == 0 {
		return nil
	}
	if len(a.Codes) == 0 {
		return a.Domain.Fresh(a.Now())
	}
	for index, code := range a.Codes {
		if _, ok := doc.Authority(index); !ok || code.Index() != index {
			return fmt.Errorf("%w: code %v is not one of authority %d's", ErrCode, code, index)
		}
	}
	if len(a.Codes) < doc.Threshold() {
		return fmt.Errorf("%w: codes of %d authorities, %d are needed", ErrCode, len(a.Codes), doc.Threshold())
	}
	return a.Domain.Fresh(a.Now())
}

type answer struct {
	outcome Outcome
	share   keys.Share
}

func (c *Client) gather(ctx context.Context, a Application, device identity.Device) ([]Outcome, []keys.Share) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	doc := a.Domain.Document
	answers := make(chan answer)
	for _, authority := range doc.Authorities() {
		go func() { answers <- c.ask(ctx, a, authority, device) }()
	}
	var outcomes []Outcome
	var shares []keys.Share
	var enough *time.Timer
	for range doc.Authorities() {
		got := <-answers
		outcomes = append(outcomes, got.outcome)
		if got.outcome.Err == nil {
			shares = append(shares, got.share)
		}
		if len(shares) >= doc.Threshold() && enough == nil {
			enough = time.AfterFunc(a.patience(), cancel)
			defer enough.Stop()
		}
	}
	slices.SortFunc(outcomes, func(x, y Outcome) int { return cmp.Compare(x.Authority.Index, y.Authority.Index) })
	return outcomes, shares
}

// ask obtains one authority's share.
func (c *Client) ask(ctx context.Context, a Application, to Authority, device identity.Device) answer {
	var got answer
	got.outcome.Authority = to
	got.share, got.outcome.Err = c.share(ctx, a, to, device, &got.outcome)
	for range codeTries {
		refused := got.outcome.Err
		if a.MailCode == nil || !errors.Is(refused, problem.EmailSent) && !errors.Is(refused, problem.EmailRefused) {
			break
		}
		code, err := a.MailCode(ctx, to, refused)
		if err != nil {
			got.outcome.Err = err
			break
		}
		a.code = code
		got.share, got.outcome.Err = c.share(ctx, a, to, device, &got.outcome)
	}
	return got
}

// patience returns how long to wait for the rest once t shares are good.
func (a Application) patience() time.Duration {
	if a.MailCode != nil {
		return typing
	}
	return patience
}

func (c *Client) share(ctx context.Context, a Application, to Authority, device identity.Device, o *Outcome) (keys.Share, error) {
	replyKey, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return keys.Share{}, err
	}
	generation, _ := a.Domain.Document.GenerationOf(a.Key) // check has seen it
	q := &Request{Key: a.Key, Generation: generation, Index: to.Index, ChannelKind: a.ChannelKind,
		Device: device, ReplyKey: replyKey.PublicKey(), Time: a.Now()}
	rand.Read(q.Nonce[:])
	if q.Evidence, err = a.evidence(q); err != nil {
		return keys.Share{}, err
	}
	sealed, err := q.Seal(to.HPKE, a.Signer)
	if err != nil {
		return keys.Share{}, err
	}
	answer, err := c.send(ctx, to.URL, sealed)
	if err != nil {
		return keys.Share{}, clockError(err, to, a, sealed)
	}
	reply, signed, err := OpenReply(to, q, replyKey, answer)
	if err != nil {
		return keys.Share{}, err
	}
	share, err := reply.KeyShare(a.Domain.Document, to)
	if errors.Is(err, keys.ErrShare) {
		o.Evidence = falseShare(a.Domain, signed)
	}
	if err == nil && len(reply.Statement) > 0 {
		_, err = ParseStatement(to, reply.Statement)
		o.Statement = reply.Statement
	}
	return share, err
}

// evidence returns what entitles to the key at the authority that q is for;
// nothing to renew.
func (a Application) evidence(q *Request) ([]byte, error) {
	switch code, ok := a.Codes[q.Index]; {
	case a.Evidence != nil:
		return a.Evidence(q)
	case len(a.Vouchers) > 0:
		voucher, ok := a.Vouchers[q.Index]
		if !ok {
			return nil, fmt.Errorf("%w: none for this authority", ErrRegistration)
		}
		return VoucherEvidence(voucher, a.code)
	case ok:
		return CodeEvidence(code), nil
	case len(a.Codes) > 0:
		return nil, fmt.Errorf("%w: none for this authority", ErrCode)
	}
	return nil, nil
}

// send sends the same bytes again when no answer came: the authority gives the
// same bytes back (spec/issuance.md "Reply").
func (c *Client) send(ctx context.Context, url string, sealed []byte) (answer []byte, err error) {
	for try := range tries {
		var refused *problem.Problem
		answer, err = c.Issue(ctx, url, sealed)
		if err == nil || errors.As(err, &refused) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("silent: %w", err)
		case <-time.After(retryPause << try):
		}
	}
	return nil, fmt.Errorf("silent: %w", err)
}
