package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/bridge"
	"milagro.dev/internal/proxy"
	"milagro.dev/internal/telemetry"
	"milagro.dev/wallet"
)

// wiring joins a proxy with the wallet and the bridge.
type wiring struct {
	order  proxyOrder
	log    *slog.Logger
	wallet *wallet.Wallet
	bridge *bridge.Bridge // nil without [workload]

	mu      sync.Mutex // of all below
	sources map[string]idtls.Source
	known   map[string]bool // domains of sources
	hops    map[string]*tls.Config
}

func (o proxyOrder) wiring(s *proxy.Settings, log *slog.Logger) (*wiring, error) {
	dir, err := o.dir(s)
	if err != nil {
		return nil, err
	}
	w := &wiring{order: o, log: log, sources: map[string]idtls.Source{}, known: map[string]bool{}, hops: map[string]*tls.Config{}}
	if w.wallet, err = wallet.Open(wallet.Config{Dir: dir, Logger: log}); err != nil {
		return nil, err
	}
	if s.Workload.Socket != "" {
		w.bridge, err = w.newBridge(s)
	}
	return w, err
}

// source returns the source of a name, the same one as long as the federation is
// the same.
func (w *wiring) source(n identity.Name, all []proxy.Federation) (idtls.Source, error) {
	foreign, key := map[string][]identity.Pattern{}, n.String()
	for _, f := range all {
		if f.Domain == n.Domain() {
			continue
		}
		for _, p := range f.Names {
			foreign[f.Domain] = append(foreign[f.Domain], p.Pattern)
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(foreign)) {
		key += fmt.Sprint(" ", domain, foreign[domain])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sources[key]; s != nil {
		return s, nil
	}
	s, err := w.wallet.Source(n), error(nil)
	if len(foreign) > 0 {
		s, err = w.wallet.Federate(n, foreign)
	}
	if err != nil {
		return nil, err
	}
	w.sources[key], w.known[n.Domain()] = s, true
	for domain := range foreign {
		w.known[domain] = true
	}
	return s, nil
}

// plan completes the routes of settings.
func (w *wiring) plan(s *proxy.Settings) (proxy.Plan, error) {
	p := proxy.Plan{Routes: s.Routes, Drain: s.Drain.Duration}
	if s.AccessLog != proxy.Off {
		p.AccessLog = telemetry.NewLogger(w.order.cmd.ErrOrStderr(), slog.LevelInfo)
	}
	for i := range p.Routes {
		r := &p.Routes[i]
		var err error
		if r.Source, err = w.source(r.As, s.Federation); err == nil && r.Local == proxy.LocalX509 {
			r.LocalTLS, err = w.hop(r)
		}
		if err != nil {
			return p, fmt.Errorf("route %s: %w", r.Name, err)
		}
	}
	return p, nil
}

// domains returns the domains of the names that routes have spoken as, and those
// federated with them, in order.
func (w *wiring) domains() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.known))
}

// keep returns what renews the keys, nil if another process does.
func (w *wiring) keep(s *proxy.Settings) func(context.Context, identity.Name) error {
	if s.Keep == proxy.Off {
		return nil
	}
	return w.wallet.Keep
}

// ahead reports whether the next key of a name is in the wallet.
func (w *wiring) ahead(n identity.Name) (bool, error) {
	all, err := w.wallet.Outlook(n)
	for _, o := range all {
		if o.Purpose == identity.Channel {
			return o.Ahead, nil
		}
	}
	return false, cmp.Or(err, wallet.ErrNotEnrolled)
}

// newBridge makes the bridge for the names of the routes; it does not learn new ones.
func (w *wiring) newBridge(s *proxy.Settings) (*bridge.Bridge, error) {
	c := bridge.Config{Sources: map[identity.Name]idtls.Source{}, Logger: w.log}
	for _, r := range s.Routes {
		source, err := w.source(r.As, s.Federation)
		if err != nil {
			return nil, err
		}
		if !r.As.Person() {
			c.Sources[r.As] = source
		}
	}
	for _, e := range s.Workload.Entries {
		var who bridge.Workload
		var err error
		switch {
		case e.UID != nil:
			who = bridge.User(*e.UID)
		case e.GID != nil:
			who = bridge.Group(*e.GID)
		default:
			who, err = bridge.LookupUser(e.User)
		}
		if err != nil {
			return nil, fmt.Errorf("workload: %w", err)
		}
		c.Entries = append(c.Entries, bridge.Entry{Name: e.Name, Workload: who})
	}
	b, err := bridge.New(c)
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	return b, nil
}

// hop returns the config of a route's plain side where it is not plain.
func (w *wiring) hop(r *proxy.Route) (*tls.Config, error) {
	key := strings.Join([]string{string(r.Mode), r.As.String()}, " ")
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.hops[key]; c != nil {
		return c, nil
	}
	if w.bridge == nil {
		return nil, withHint(errors.New("there is no bridge"), "a [workload] that was not there at the start waits for a restart")
	}
	make := w.bridge.ClientTLS
	if r.Mode == proxy.Client {
		make = w.bridge.ServerTLS
	}
	c, err := make(r.As, r.As)
	if err != nil {
		return nil, withHint(err, "the bridge learns new names at a restart")
	}
	w.hops[key] = c
	return c, nil
}
