package logintest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

// Person is somebody with a device, who speaks to authorities and to a login server
// message by message.
type Person struct {
	Name       identity.Name
	Signer     crypto.Signer
	Device     identity.Device
	Token      keys.Private
	Statements [][]byte // of the enrolment, in order of their authorities
	// URL is the login server that the person speaks to.
	URL string
	// Client speaks to it and to the authorities.
	Client *dta.Client
	// Channel is what logins are bound to.
	Channel mpin.Channel

	server  *Server
	mu      sync.Mutex // of permits
	permits map[identity.Epoch]keys.Private
}

// NewDevice makes a device key for a name; nothing is registered.
func (s *Server) NewDevice(name string) (*Person, error) {
	n, err := identity.ParseName(name)
	if err != nil {
		return nil, err
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	device, err := identity.DeviceOf(signer)
	if err != nil {
		return nil, err
	}
	p := &Person{Name: n, Signer: signer, Device: device, server: s, URL: s.URL(), Client: &dta.Client{},
		permits: map[identity.Epoch]keys.Private{}}
	return p, nil
}

// Person registers a name with codes and a PIN: it has its row, and has not logged
// in.
func (s *Server) Person(t testing.TB, name, pin string) *Person {
	t.Helper()
	ctx := t.Context()
	p, err := s.NewDevice(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Register(ctx, pin); err != nil {
		t.Fatal(err)
	}
	if err := p.ShowRow(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

// Published returns the newest document that the login server has.
func (s *Server) Published() (*dta.Published, error) {
	pinned, err := s.wallet.Domain(s.config.Published.Document.ID().String())
	if err != nil {
		return nil, err
	}
	return pinned.Published, nil
}

// Site returns the service as the newest document lists it.
func (s *Server) Site() (*dta.Published, mpin.Service, error) {
	p, err := s.Published()
	if err != nil {
		return nil, mpin.Service{}, err
	}
	service, ok := p.Document.Service(s.Card.Service)
	if !ok {
		return nil, mpin.Service{}, fmt.Errorf("no service %s", s.Card.Service)
	}
	return p, mpin.Service{Domain: p.Document.ID(), ID: p.Document.ServiceID(service), Origin: service.Origin}, nil
}

// Now returns the server's time in unix seconds.
func (s *Server) Now() uint64 {
	if clock := s.config.Login.Clock; clock != nil {
		return uint64(clock().Unix())
	}
	return uint64(time.Now().Unix())
}

// params is the least cost that is accepted: tests stretch often.
func params() mpin.Params { return mpin.Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// At returns the same person, who speaks to the login server at another URL. Both may
// log in at once; neither may be enrolled anew.
func (p *Person) At(url string) *Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Person{Name: p.Name, Signer: p.Signer, Device: p.Device, Token: p.Token, Statements: p.Statements, URL: url, Client: p.Client,
		Channel: p.Channel, server: p.server, permits: maps.Clone(p.permits)}
}

// Register obtains the M-Pin key with fresh codes and splits it by the PIN.
func (p *Person) Register(ctx context.Context, pin string) error {
	codes, err := p.server.config.Domain.RegisterLogin(ctx, p.Name, p.server.Card.Service)
	if err != nil {
		return err
	}
	return p.Enrol(ctx, pin, dta.Application{Codes: codes})
}

// Claim claims an invitation for the person's device, and returns the evidence for
// Enrol.
func (p *Person) Claim(ctx context.Context, i dta.Invitation) (a dta.Application, err error) {
	_, site, err := p.server.Site()
	if err != nil {
		return a, err
	}
	a.Vouchers, err = p.Client.Vouchers(ctx, i, site.ID, p.Signer)
	return a, err
}

// EnrolInvited obtains the M-Pin key with an invitation alone.
func (p *Person) EnrolInvited(ctx context.Context, pin string, i dta.Invitation) error {
	a, err := p.Claim(ctx, i)
	if err != nil {
		return err
	}
	return p.Enrol(ctx, pin, a)
}

// Enrol obtains the M-Pin key on the evidence of a, whose other fields are filled
// in, and splits it by the PIN.
func (p *Person) Enrol(ctx context.Context, pin string, a dta.Application) error {
	published, site, err := p.server.Site()
	if err != nil {
		return err
	}
	factor, err := p.Factor(pin)
	if err != nil {
		return err
	}
	key := identity.Key{Domain: site.Domain, Purpose: identity.MPin, Service: site.ID, Name: p.Name, Device: p.Device.Hash()}
	a.Domain, a.Signer, a.Now, a.ChannelKind = published, p.Signer, p.server.Now, p.Channel.Kind()
	a.Key = identity.Key{Purpose: identity.MPin, Service: site.ID, Name: p.Name}
	a.Combine = func(threshold int, shares []keys.Share) (keys.Private, error) {
		return factor.Split(key, threshold, shares)
	}
	grant, err := p.Client.Apply(ctx, a)
	if err != nil {
		return err
	}
	p.Token, p.Statements = grant.Private, nil
	for _, o := range grant.Outcomes {
		if len(o.Statement) > 0 {
			p.Statements = append(p.Statements, o.Statement)
		}
	}
	return nil
}

// Factor stretches a PIN, once for all people of a server: here, and nowhere else,
// they have one salt.
func (p *Person) Factor(pin string) (mpin.Factor, error) {
	s := p.server.stretched
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.factors[pin]; ok {
		return f, nil
	}
	f, err := mpin.Stretch([]byte(pin), s.salt, params())
	if err == nil {
		s.factors[pin] = f
	}
	return f, err
}

// stretched are PINs that were stretched with one salt.
type stretched struct {
	salt    [mpin.SaltSize]byte
	mu      sync.Mutex // of factors
	factors map[string]mpin.Factor
}

func newStretched() *stretched {
	s := &stretched{factors: map[string]mpin.Factor{}}
	rand.Read(s.salt[:])
	return s
}

// ShowRow shows the statements to the login server.
func (p *Person) ShowRow(ctx context.Context) error {
	_, site, err := p.server.Site()
	if err != nil {
		return err
	}
	q, err := site.SignRow(p.Signer, p.server.Now(), p.Statements)
	if err != nil {
		return err
	}
	return p.Client.Row(ctx, p.URL, q)
}

// Permit returns the permit of an epoch, which is fetched once.
func (p *Person) Permit(ctx context.Context, epoch identity.Epoch) (keys.Private, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if permit, ok := p.permits[epoch]; ok {
		return permit, nil
	}
	published, site, err := p.server.Site()
	if err != nil {
		return keys.Private{}, err
	}
	grant, err := p.Client.Apply(ctx, dta.Application{Domain: published, Signer: p.Signer, Now: p.server.Now,
		Key: identity.Key{Purpose: identity.Permit, Service: site.ID, Name: p.Name, Epoch: epoch}})
	if err != nil {
		return keys.Private{}, err
	}
	p.permits[epoch] = grant.Private
	return grant.Private, nil
}

// Epoch returns the permit epoch of the server's time.
func (p *Person) Epoch() (identity.Epoch, error) {
	published, err := p.server.Published()
	if err != nil {
		return identity.Epoch{}, err
	}
	schedule, _ := published.Document.Schedule(identity.Permit)
	return schedule.Current(p.server.Now()), nil
}

// Attempt is a login between its two passes.
type Attempt struct {
	Login   mpin.Login
	Attempt *mpin.Attempt
	Answer  mpin.BeginAnswer
	person  *Person
}

// Prepare makes an attempt of the current epoch that has not begun.
func (p *Person) Prepare(ctx context.Context, pin string, intent mpin.Intent) (*Attempt, error) {
	epoch, err := p.Epoch()
	if err != nil {
		return nil, err
	}
	return p.PrepareAt(ctx, epoch, pin, intent)
}

// PrepareAt makes an attempt of an epoch.
func (p *Person) PrepareAt(ctx context.Context, epoch identity.Epoch, pin string, intent mpin.Intent) (*Attempt, error) {
	_, site, err := p.server.Site()
	if err != nil {
		return nil, err
	}
	permit, err := p.Permit(ctx, epoch)
	if err != nil {
		return nil, err
	}
	factor, err := p.Factor(pin)
	if err != nil {
		return nil, err
	}
	a := &Attempt{person: p, Login: mpin.Login{Domain: site.Domain, Service: site.ID, Origin: site.Origin, Name: p.Name, Device: p.Device,
		Epoch: epoch, Channel: p.Channel, Intent: intent}}
	a.Attempt, err = mpin.Begin(a.Login, mpin.Secrets{Token: p.Token, Permit: permit, Factor: factor, Signer: p.Signer})
	return a, err
}

// Request returns the first message.
func (a *Attempt) Request() mpin.BeginRequest {
	l := a.Login
	return mpin.BeginRequest{Service: l.Service[:], Name: l.Name, Device: l.Device.Bytes(), Epoch: l.Epoch.Bytes(), U: a.Attempt.Commitment().Bytes(),
		ChannelKind: l.Channel.Kind(), Intent: l.Intent.Bytes()}
}

// Begin sends the first message.
func (a *Attempt) Begin(ctx context.Context) (err error) {
	a.Answer, err = a.person.Client.BeginLogin(ctx, a.person.URL, a.Request())
	return err
}

// Prove returns the second message.
func (a *Attempt) Prove() (mpin.FinishRequest, error) {
	proof, err := a.Attempt.Finish(mpin.Challenge{Session: [mpin.SessionSize]byte(a.Answer.Session), Nonce: [mpin.NonceSize]byte(a.Answer.Nonce)})
	if err != nil {
		return mpin.FinishRequest{}, err
	}
	return mpin.FinishRequest{Session: a.Answer.Session, V: proof.V[:], Signature: proof.Signature[:]}, nil
}

// Finish sends the second message.
func (a *Attempt) Finish(ctx context.Context) (mpin.FinishAnswer, error) {
	q, err := a.Prove()
	if err != nil {
		return mpin.FinishAnswer{}, err
	}
	return a.person.Client.FinishLogin(ctx, a.person.URL, q)
}

// Begun makes an attempt of the current epoch and sends its first message.
func (p *Person) Begun(ctx context.Context, pin string, intent mpin.Intent) (*Attempt, error) {
	a, err := p.Prepare(ctx, pin, intent)
	if err != nil {
		return nil, err
	}
	return a, a.Begin(ctx)
}

// Login logs in: both passes.
func (p *Person) Login(ctx context.Context, pin string, intent mpin.Intent) (mpin.FinishAnswer, error) {
	a, err := p.Begun(ctx, pin, intent)
	if err != nil {
		return mpin.FinishAnswer{}, err
	}
	return a.Finish(ctx)
}
