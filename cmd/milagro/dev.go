package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"milagro.dev/dta"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

const devDomain = "dev.example"

// devState is what a second start on the same directory goes on with.
type devState struct {
	Threshold   int      `json:"threshold"`
	Authorities []string `json:"authorities"` // addresses
	Web         string   `json:"web"`
	API         string   `json:"api"`
	Page        string   `json:"page"`
	Login       string   `json:"login"`
	Origin      string   `json:"login_origin,omitempty"` // where a proxy serves it; empty for its own
	Channel     string   `json:"login_channel"`          // of the login server over identity TLS
	App         string   `json:"app"`
	Mails       string   `json:"mails"` // of the page that shows them
	SMTP        string   `json:"smtp"`
}

func devCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dev", Short: "run a whole trust domain on this machine", Args: exactly(),
		Example: "  milagro dev\n  milagro dev --authorities 5 --threshold 3 --dir ./domain\n  milagro dev --login-listen 127.0.0.1:7500 --login-origin http://127.0.0.1:8080",
		Long: `Start authorities in processes of their own, hold a ceremony, let two services talk over
identity TLS (spiffe://dev.example/web calls spiffe://dev.example/api every second), and
run a login server, an application to which people sign in by OpenID Connect, and a mail
server that shows every mail on a page. Open the invitation that is printed, choose a PIN
as acct:you@dev.example, and sign in to the application. A line that begins with 'ready'
says that everything answers; the lines before it say what runs where, and what to try.
Ctrl-C stops everything. All is on loopback, and nothing is set up besides.`,
	}
	n := cmd.Flags().Int("authorities", 3, "how many authorities")
	threshold := cmd.Flags().Int("threshold", 0, "how many of them make a key (default all)")
	mailed := cmd.Flags().Bool("mailed-codes", false, "each authority mails a code of its own to who enrols as a person (doc/invitations.md)")
	wanted := devState{}
	cmd.Flags().StringVar(&wanted.Login, "login-listen", "", "address of the login server, for a proxy that you run (default a free one)")
	cmd.Flags().StringVar(&wanted.Origin, "login-origin", "", "origin at which that proxy, which runs already, serves the login server (default http://localhost and its port)")
	dir := cmd.Flags().String("dir", "", "keep everything in this directory, and go on with what is there (default temporary)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d := &dev{began: time.Now(), out: cmd.OutOrStdout(), dir: *dir, code: authority.NoCode}
		if *mailed {
			d.code = authority.MailedCode
		}
		if d.dir == "" {
			temporary, err := os.MkdirTemp("", "milagro-dev-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(temporary)
			d.dir = temporary
		}
		if err := d.load(cmd, *n, *threshold, wanted); err != nil {
			return err
		}
		err := d.run(cmd.Context())
		return stopped(cmd, errors.Join(err, d.stop()))
	}
	cmd.AddCommand(devServiceCommand(), devAppCommand(), devMailCommand())
	return cmd
}

// dev is one run of 'milagro dev'.
type dev struct {
	began    time.Time
	out      io.Writer
	dir      string
	state    devState
	town     *town
	login    *gatehouse
	code     authority.CodeBy // by which authorities make sure of people
	services []*child         // in the order of their start
	web      *child           // of services

	invitation string // link; empty when it is not good any more
}

// load reads the directory's state or makes it, with what wanted has.
func (d *dev) load(cmd *cobra.Command, n, threshold int, wanted devState) (err error) {
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	path := filepath.Join(d.dir, "dev.json")
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err = d.create(n, threshold, wanted); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b, &d.state); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		other := cmd.Flags().Changed("authorities") && n != len(d.state.Authorities) ||
			cmd.Flags().Changed("threshold") && threshold != d.state.Threshold
		if other {
			return withHint(fmt.Errorf("%s holds a domain of %d authorities, %d of which make a key", d.dir, len(d.state.Authorities), d.state.Threshold),
				"choose another --dir for another domain")
		}
		if wanted.Login != "" && wanted.Login != d.state.Login || wanted.Origin != "" && wanted.Origin != d.state.Origin {
			return withHint(fmt.Errorf("%s holds a login server elsewhere: its origin is in its keys", d.dir), "choose another --dir for another origin")
		}
	}
	if d.state.App == "" {
		return withHint(fmt.Errorf("%s: it was made before there was an application to sign in to", path), "choose another --dir, or remove this one: what it is for cannot be added to its domain")
	}
	d.town = newTown(d.dir, devDomain, d.state.Threshold, 86_400, d.state.Authorities)
	d.town.flags = []string{devFlag}
	d.login = d.town.newGatehouse(d.state.Login)
	// Browsers have passkeys on http://localhost, not on an address; the application
	// has another host, as in life: hosts share cookies, whatever their ports.
	d.login.origin = cmp.Or(d.state.Origin, "http://localhost:"+port(d.state.Login))
	return nil
}

func (d *dev) create(n, threshold int, wanted devState) error {
	if threshold == 0 {
		threshold = n
	}
	if n < 2 || n > dta.MaxAuthorities || threshold < 2 || threshold > n {
		return fmt.Errorf("%d of %d authorities: there are 2 to %d, and 2 to all of them make a key", threshold, n, dta.MaxAuthorities)
	}
	addresses, err := webserver.FreeAddresses(n + 8)
	if err != nil {
		return err
	}
	d.state = devState{Threshold: threshold, Authorities: addresses[:n], Web: addresses[n], API: addresses[n+1], Page: addresses[n+2],
		Login: cmp.Or(wanted.Login, addresses[n+3]), Origin: wanted.Origin, Channel: addresses[n+4], App: addresses[n+5], Mails: addresses[n+6], SMTP: addresses[n+7]}
	b, err := json.MarshalIndent(d.state, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	return writeNew(filepath.Join(d.dir, "dev.json"), 0o600, b)
}

// run starts everything, says so, and waits for the end.
func (d *dev) run(ctx context.Context) error {
	if err := d.openMail(ctx); err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.town.start(ctx); err != nil {
		return err
	}
	if err := d.openLogin(ctx); err != nil {
		return err
	}
	if err := d.openApplication(ctx); err != nil {
		return err
	}
	you, err := d.enrolAll(ctx)
	if err != nil {
		return err
	}
	called := func(ctx context.Context) error { return answers(ctx, "http://"+d.state.Page) }
	if err := await(ctx, d.web, called); err != nil {
		return err
	}
	published, err := d.town.published.MarshalJSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.domainFile(), append(published, '\n'), 0o644); err != nil {
		return err
	}
	d.explain()
	fmt.Fprintf(d.out, "ready after %.1f s; Ctrl-C stops everything\n", time.Since(d.began).Seconds())
	keeping, ctx := errgroup.WithContext(ctx)
	keeping.Go(func() error { return you.Keep(ctx, d.town.name("you")) })
	keeping.Go(func() error { return d.watch(ctx) })
	return keeping.Wait()
}

// enrolAll starts both services and enrols the user beside them.
func (d *dev) enrolAll(ctx context.Context) (*wallet.Wallet, error) {
	you, err := wallet.Open(wallet.Config{Dir: d.walletDir("you")})
	if err != nil {
		return nil, err
	}
	if _, err := d.service(ctx, "api", "--listen", d.state.API); err != nil {
		return nil, err
	}
	d.web, err = d.service(ctx, "web", "--listen", d.state.Web, "--page", d.state.Page,
		"--call", "https://"+d.state.API+"/", "--to", d.town.name("api").String())
	if err != nil {
		return nil, err
	}
	codes, err := d.codes(ctx, "you", d.walletDir("you"))
	if err != nil {
		return nil, err
	}
	return you, enrolOnce(ctx, you, enrolment{name: d.town.name("you"), url: d.town.members[0].url(), fingerprint: d.town.fingerprint(), codes: codes})
}

func (d *dev) service(ctx context.Context, path string, args ...string) (*child, error) {
	codes, err := d.codes(ctx, path, d.walletDir(path))
	if err != nil {
		return nil, err
	}
	args = append([]string{"dev", "service", "--name", d.town.name(path).String(), "--dir", d.walletDir(path),
		"--authority", d.town.members[0].url(), "--fingerprint", d.town.fingerprint().String(), "--codes", codes}, args...)
	c, err := startServer(path, d.logFile(path), args...)
	if err == nil {
		d.services = append(d.services, c)
	}
	return c, err
}

// codes writes the one-time codes for a name into a file that who enrols
// removes at the end: as long as it is there, the name is not enrolled, and new
// codes take the place of those that an interrupted start may have half used.
func (d *dev) codes(ctx context.Context, path, walletDir string) (string, error) {
	file := filepath.Join(d.dir, path+".codes")
	w, err := wallet.Open(wallet.Config{Dir: walletDir})
	if err != nil {
		return "", err
	}
	if enrolled(w, d.town.name(path), file) {
		return file, nil
	}
	codes, err := d.town.register(ctx, d.town.name(path))
	if err != nil {
		return "", err
	}
	return file, replaceCodes(file, codes)
}

// watch ends when a child does.
func (d *dev) watch(ctx context.Context) error {
	ended := make(chan *child)
	for _, c := range d.children() {
		go func() {
			<-c.over
			select {
			case ended <- c:
			case <-ctx.Done():
			}
		}()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c := <-ended:
		select { // Ctrl-C reaches the children too, perhaps first
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
			return c.failure()
		}
	}
}

func (d *dev) children() []*child {
	all := slices.Clone(d.services)
	if d.login.process != nil {
		all = append(all, d.login.process)
	}
	for _, m := range d.town.members {
		if m.process != nil {
			all = append(all, m.process)
		}
	}
	return all
}

// stop ends every child, the services first.
func (d *dev) stop() error {
	var errs []error
	for _, c := range slices.Backward(d.services) {
		errs = append(errs, c.stop())
	}
	http.DefaultClient.CloseIdleConnections()
	return errors.Join(append(errs, d.login.stop(), d.town.stop())...)
}

func (d *dev) walletDir(path string) string { return filepath.Join(d.dir, "wallets", path) }
func (d *dev) domainFile() string           { return filepath.Join(d.dir, "domain.json") }
