package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

// demoEpoch is the length of epochs in the domain in which they pass, in
// seconds.
const demoEpoch = 10

// demo is the tour: its domains, and the wallet of the one who is shown around.
type demo struct {
	dir      string
	three    *town // of three authorities all are needed
	two      *town // any two of three do; epochs are short
	services []*child
	login    *gatehouse // of three
	wallet   *wallet.Wallet
	api      string // address of the service in three
	apiTwo   string // and of that in two
}

func (d *demo) ceremony(ctx context.Context) (string, error) {
	addresses, err := webserver.FreeAddresses(6)
	if err != nil {
		return "", err
	}
	d.three = newTown(d.path("three"), "three.example", 3, 86_400, addresses[:3])
	d.two = newTown(d.path("two"), "two.example", 2, demoEpoch, addresses[3:])
	var making errgroup.Group
	for _, t := range []*town{d.three, d.two} {
		making.Go(func() error {
			if err := os.MkdirAll(t.dir, 0o700); err != nil {
				return err
			}
			return t.start(ctx)
		})
	}
	if err := making.Wait(); err != nil {
		return "", err
	}
	if d.wallet, err = wallet.Open(wallet.Config{Dir: d.path("wallet")}); err != nil {
		return "", err
	}
	for _, t := range []*town{d.three, d.two} {
		if _, err := d.wallet.Pin(ctx, t.members[0].url(), t.fingerprint()); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("two masters that nobody knows: 3 of 3 for %s, 2 of 3 for %s", d.three.domain, d.two.domain), nil
}

func (d *demo) enrolService(ctx context.Context) (string, error) {
	addresses, err := webserver.FreeAddresses(1)
	if err != nil {
		return "", err
	}
	d.api = addresses[0]
	if err := d.serve(ctx, d.three, d.api); err != nil {
		return "", err
	}
	r, err := d.enrol(ctx, d.three, "web")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%v: %s", r.Name, outcomes(r)), nil
}

// serve starts the service api of a town in a process of its own.
func (d *demo) serve(ctx context.Context, t *town, address string) error {
	codes, err := t.register(ctx, t.name("api"))
	if err != nil {
		return err
	}
	file := d.path(t.domain + ".codes")
	var lines []string
	for _, code := range codes {
		lines = append(lines, code.Canonical())
	}
	if err := writeNew(file, 0o600, []byte(strings.Join(lines, "\n")+"\n")); err != nil {
		return err
	}
	c, err := startServer("api", d.path("logs", t.domain+".log"), "dev", "service", "--name", t.name("api").String(),
		"--dir", d.path("wallets", t.domain), "--authority", t.members[0].url(), "--fingerprint", t.fingerprint().String(),
		"--codes", file, "--listen", address)
	if err != nil {
		return err
	}
	d.services = append(d.services, c)
	return nil
}

// enrol gets the first key of a name in the demo's own wallet.
func (d *demo) enrol(ctx context.Context, t *town, path string) (*wallet.Report, error) {
	codes, err := t.register(ctx, t.name(path))
	if err != nil {
		return nil, err
	}
	return d.wallet.Enrol(ctx, t.name(path), identity.Channel, codes)
}

// outcomes says what each authority did, in one line.
func outcomes(r *wallet.Report) string {
	var all []string
	for _, a := range r.Keys[0].Authorities {
		all = append(all, fmt.Sprintf("authority %d %s", a.Index, a.Outcome))
	}
	return strings.Join(all, ", ")
}

func (d *demo) channel(ctx context.Context) (string, error) {
	answer, err := d.callAPI(ctx)
	return strings.TrimSpace(answer), err
}

// web returns the caller that is the service web of town three.
func (d *demo) web(to string) caller {
	return caller{source: d.wallet.Source(d.three.name("web")), to: d.three.name(to), url: "https://" + d.api + "/"}
}

// callAPI calls the service of town three, waiting until it is up.
func (d *demo) callAPI(ctx context.Context) (answer string, err error) {
	err = await(ctx, d.services[0], func(ctx context.Context) (err error) {
		answer, err = d.web("api").call(ctx)
		return err
	})
	return answer, err
}

func (d *demo) wrongName(ctx context.Context) (string, error) {
	_, err := d.web("bank").call(ctx)
	var refused *idtls.VerifyError
	switch {
	case err == nil:
		return "", fmt.Errorf("%v answered in place of %v", d.three.name("api"), d.three.name("bank"))
	case !errors.As(err, &refused) || refused.Check != idtls.CheckAuthorizer || refused.Claimed.Name != d.three.name("api"):
		return "", err
	}
	return refused.Error(), nil
}

func (d *demo) lyingAuthority(ctx context.Context) (string, error) {
	liar := d.two.members[2]
	if err := liar.stop(); err != nil {
		return "", err
	}
	if err := liar.run(ctx, "demo", "liar", "--dir", liar.dir, "--listen", liar.address); err != nil {
		return "", err
	}
	if err := d.two.ready(ctx); err != nil {
		return "", err
	}
	r, err := d.enrol(ctx, d.two, "web")
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(r.Keys[0].Authorities, func(a wallet.AuthorityReport) bool { return a.Outcome == wallet.Lying })
	if at < 0 {
		return "", fmt.Errorf("no liar was found: %s", outcomes(r))
	}
	named := r.Keys[0].Authorities[at]
	evidence, err := os.ReadFile(named.Evidence)
	if err != nil {
		return "", err
	}
	convicted, err := dta.JudgeFalseShare(evidence)
	if err != nil {
		return "", err
	}
	if convicted.Authority.Index != 3 || named.Index != 3 {
		return "", fmt.Errorf("authority %d is convicted, authority 3 lies", convicted.Authority.Index)
	}
	return fmt.Sprintf("authority 3 signed a false share and is convicted by %d bytes of evidence; the other two made the key", len(evidence)),
		d.restart(ctx, d.two, 2)
}

// restart serves members honestly again.
func (d *demo) restart(ctx context.Context, t *town, which ...int) error {
	for _, at := range which {
		if err := t.members[at].stop(); err != nil {
			return err
		}
		if err := t.members[at].start(ctx); err != nil {
			return err
		}
	}
	return t.ready(ctx)
}

func (d *demo) authorityDown(ctx context.Context) (string, error) {
	two, err := d.two.register(ctx, d.two.name("laptop"))
	if err != nil {
		return "", err
	}
	three, err := d.three.register(ctx, d.three.name("laptop"))
	if err != nil {
		return "", err
	}
	if err := errors.Join(d.two.members[1].stop(), d.three.members[1].stop()); err != nil {
		return "", err
	}
	goesOn, err := d.wallet.Enrol(ctx, d.two.name("laptop"), identity.Channel, two)
	if err != nil {
		return "", fmt.Errorf("2 of 3, one down: %w", err)
	}
	_, refused := d.wallet.Enrol(ctx, d.three.name("laptop"), identity.Channel, three)
	if !errors.Is(refused, dta.ErrThreshold) {
		return "", fmt.Errorf("3 of 3, one down: %v", refused)
	}
	if _, err := d.callAPI(ctx); err != nil {
		return "", fmt.Errorf("channel while an authority is down: %w", err)
	}
	if err := errors.Join(d.three.members[0].stop(), d.three.members[2].stop()); err != nil {
		return "", err
	}
	if _, err := d.logIn(ctx, d.wallet, demoNewPIN); err != nil {
		return "", fmt.Errorf("login while all authorities are down: %w", err)
	}
	return fmt.Sprintf("2 of 3 goes on (%s); 3 of 3 refuses to enrol (%s), and its channels go on; with all authorities stopped people still log in",
		outcomes(goesOn), dta.ErrThreshold), errors.Join(d.restart(ctx, d.two, 1), d.restart(ctx, d.three, 0, 1, 2))
}
