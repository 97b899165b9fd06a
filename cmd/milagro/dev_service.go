package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

// service is one of the two services of 'milagro dev': it serves its peers
// over identity TLS and, when told so, calls one of them every second.
type service struct {
	name        identity.Name
	wallet      *wallet.Wallet
	url         string // of an authority
	fingerprint identity.DomainID
	codes       string // file, which goes once it was used
	listen      string
	call        string // URL of the service to call
	to          identity.Name
	page        string // where the last call is shown in plain HTTP
	log         *slog.Logger
}

// devServiceCommand is a role of 'milagro dev' in a process of its own.
func devServiceCommand() *cobra.Command {
	var s service
	cmd := addWallet(&cobra.Command{
		Use: "service", Hidden: true, Short: "be one of the services of 'milagro dev'", Args: exactly(),
		Long: "Enrol a name if it is not, keep its key fresh, serve and call over identity TLS.", Example: "  (started by 'milagro dev')",
	})
	cmd.Flags().TextVar(&s.name, "name", identity.Name{}, "own name")
	cmd.Flags().StringVar(&s.url, "authority", "", "URL of an authority")
	cmd.Flags().TextVar(&s.fingerprint, "fingerprint", identity.DomainID{}, "fingerprint of the domain")
	cmd.Flags().StringVar(&s.codes, "codes", "", "file with one-time codes")
	cmd.Flags().StringVar(&s.listen, "listen", "", "address to serve on")
	cmd.Flags().StringVar(&s.call, "call", "", "URL to call every second")
	cmd.Flags().TextVar(&s.to, "to", identity.Name{}, "name that answers there")
	cmd.Flags().StringVar(&s.page, "page", "", "address of the page that shows the last call")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		s.log = telemetry.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo)
		dir, err := walletDir(cmd)
		if err != nil {
			return err
		}
		if s.wallet, err = wallet.Open(wallet.Config{Dir: dir, Logger: s.log}); err != nil {
			return err
		}
		return s.run(supervised(cmd))
	}
	return cmd
}

func (s *service) run(ctx context.Context) error {
	if err := s.enrol(ctx); err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return s.wallet.Keep(ctx, s.name) })
	work.Go(func() error { return s.serve(ctx) })
	if s.call != "" {
		calls := &calls{service: s}
		work.Go(func() error { return calls.repeat(ctx) })
		work.Go(func() error { return calls.show(ctx) })
	}
	err := work.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// enrol pins the domain and gets the first key, unless an earlier start has.
func (s *service) enrol(ctx context.Context) error {
	return enrolOnce(ctx, s.wallet, enrolment{name: s.name, url: s.url, fingerprint: s.fingerprint, codes: s.codes})
}

func (s *service) serve(ctx context.Context) error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := idtls.PeerOf(*r.TLS)
		if err != nil {
			http.Error(w, "who are you?", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%v to %v: hello, it is %s\n", s.name, peer.Name, time.Now().UTC().Format(time.TimeOnly))
	})
	server, err := idtls.Server(handler, s.wallet.Source(s.name), idtls.Member(s.name.Domain()))
	if err != nil {
		return err
	}
	server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	s.log.Info("serving", "name", s.name, "address", s.listen)
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// calls is the service's side as a client: one new connection for each call, so
// that every call shows a handshake.
type calls struct {
	service *service

	mu   sync.Mutex // of last
	last lastCall
}

type lastCall struct {
	From   identity.Name `json:"from"`
	To     identity.Name `json:"to"`
	URL    string        `json:"url"`
	At     time.Time     `json:"at"`
	OK     bool          `json:"ok"`
	Answer string        `json:"answer,omitempty"`
	Error  string        `json:"error,omitempty"`
}

func (c *calls) repeat(ctx context.Context) error {
	transport, err := idtls.Transport(c.service.wallet.Source(c.service.name), idtls.Exactly(c.service.to))
	if err != nil {
		return err
	}
	transport.DisableKeepAlives = true
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for {
		c.once(ctx, client)
		pause := time.Second
		if !c.get().OK {
			pause = 50 * time.Millisecond // the other may not be up yet
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (c *calls) once(ctx context.Context, client *http.Client) {
	call := lastCall{From: c.service.name, To: c.service.to, URL: c.service.call, At: time.Now().UTC()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, call.URL, nil)
	var response *http.Response
	if err == nil {
		response, err = client.Do(request)
	}
	if err == nil {
		var answer []byte
		answer, err = io.ReadAll(io.LimitReader(response.Body, 1<<10))
		response.Body.Close()
		call.Answer, call.OK = string(answer), err == nil && response.StatusCode == http.StatusOK
	}
	if err != nil {
		call.Error = err.Error()
		c.service.log.Warn("call failed", "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = call
}

func (c *calls) get() lastCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// show serves the last call as a page; its status says whether it succeeded.
func (c *calls) show(ctx context.Context) error {
	listener, err := net.Listen("tcp", c.service.page)
	if err != nil {
		return err
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		last := c.get()
		w.Header().Set("Content-Type", "application/json")
		if !last.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		json.NewEncoder(w).Encode(last)
	})
	return webserver.Run(ctx, listener, webserver.Config{Handler: page, Logger: c.service.log})
}

// enrolment is what it takes to get a first key.
type enrolment struct {
	name        identity.Name
	url         string
	fingerprint identity.DomainID
	codes       string // path of the file, removed once the key is there
}

// enrolled reports whether an enrolment was completed: the wallet knows the
// name, and the file of its codes is gone.
func enrolled(w *wallet.Wallet, name identity.Name, codes string) bool {
	_, unknown := w.Show(name)
	_, gone := os.Stat(codes)
	return unknown == nil && errors.Is(gone, os.ErrNotExist)
}

func enrolOnce(ctx context.Context, w *wallet.Wallet, e enrolment) error {
	if enrolled(w, e.name, e.codes) {
		return nil
	}
	if _, err := w.Pin(ctx, e.url, e.fingerprint); err != nil {
		return err
	}
	codes, err := readCodes(nil, []string{e.codes}, e.name, identity.Channel)
	if err != nil {
		return err
	}
	if _, err := w.Enrol(ctx, e.name, identity.Channel, codes); err != nil {
		return err
	}
	return os.Remove(e.codes)
}
