package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"milagro.dev/internal/agent"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/proxy"
	"milagro.dev/internal/systemd"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
)

// proxyOrder is what the command line says of a proxy.
type proxyOrder struct {
	cmd  *cobra.Command
	path string                          // of the configuration file; empty if flags say all
	load func() (*proxy.Settings, error) // now as at each SIGHUP
}

// dir returns the wallet's directory: --dir wins over the file.
func (o proxyOrder) dir(s *proxy.Settings) (string, error) {
	if f := o.cmd.Flag("dir"); s.Dir != "" && !f.Changed {
		return s.Dir, nil
	}
	return walletDir(o.cmd)
}

// check says what a proxy would serve.
func (o proxyOrder) check() error {
	s, err := o.load()
	if err != nil {
		return err
	}
	w, err := o.wiring(s, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	plan, err := w.plan(s)
	if err != nil {
		return err
	}
	for _, r := range plan.Routes {
		if _, err := r.Source.Credential(); err != nil {
			return withHint(fmt.Errorf("route %s: %w", r.Name, enrolFirst(err)), "'milagro renew NAME' gets the key of this epoch")
		}
		fmt.Fprintln(o.cmd.OutOrStdout(), describeRoute(r))
	}
	fmt.Fprintf(o.cmd.OutOrStdout(), "good: %d would be served, with the wallet %s\n", len(plan.Routes), w.wallet.Dir())
	return nil
}

// sidecar is a proxy that runs.
type sidecar struct {
	proxyOrder
	*wiring
	settings *proxy.Settings // of the start
	proxy    *proxy.Proxy
	notify   *systemd.Notifier
	log      *slog.Logger
	level    *slog.LevelVar
	tasks    sync.WaitGroup
}

// run serves until ctx ends.
func (o proxyOrder) run(ctx context.Context) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if err := custody.Harden(); err != nil {
		return err
	}
	settings, err := o.load()
	if err != nil {
		return err
	}
	s := &sidecar{proxyOrder: o, settings: settings, level: new(slog.LevelVar)}
	s.level.Set(settings.LogLevel)
	s.log = telemetry.NewLogger(o.cmd.ErrOrStderr(), s.level)
	if s.notify, err = systemd.FromEnvironment(os.Getenv); err != nil {
		return err
	}
	defer s.notify.Close()
	if s.wiring, err = o.wiring(settings, s.log); err != nil {
		return err
	}
	plan, err := s.plan(settings)
	if err != nil {
		return err
	}
	metrics := telemetry.NewMetrics()
	metrics.Registry().MustRegister(agent.Revocations{Program: "proxy", Wallet: s.wallet, Domains: s.domains})
	s.proxy = proxy.New(proxy.Config{Logger: s.log, Metrics: metrics, Keep: s.keep(settings), Ahead: s.ahead})
	if err := s.proxy.Apply(plan); err != nil {
		return err
	}
	working, stop := context.WithCancel(context.Background()) // beyond ctx, while connections end
	defer s.tasks.Wait()
	defer stop()
	if err := s.open(working, metrics); err != nil {
		return s.abandon(err)
	}
	if err := s.harden(); err != nil {
		return s.abandon(err)
	}
	s.tasks.Go(func() { s.follow(ctx, hangups) })
	s.tasks.Go(func() { s.notify.Watchdog(working, func() bool { return true }) })
	s.tell(s.notify.Ready(s.status()))
	context.AfterFunc(ctx, func() { s.tell(s.notify.Stopping()) })
	return s.proxy.Run(ctx)
}

// abandon ends a proxy that could not be started.
func (s *sidecar) abandon(err error) error {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.proxy.Run(over) // the first error is the one to tell
	return err
}

// open serves metrics and the Workload API.
func (s *sidecar) open(ctx context.Context, metrics *telemetry.Metrics) error {
	if a := s.settings.Metrics; !a.IsZero() {
		l, err := net.Listen(a.Network(), a.Text())
		if err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		s.log.Info("serving metrics", "address", l.Addr().String())
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", metrics.Handler())
		mux.Handle("GET /healthz", telemetry.Alive())
		mux.Handle("GET /readyz", s.proxy.ReadyHandler())
		s.tasks.Go(func() { s.tell(webserver.Run(ctx, l, webserver.Config{Handler: metrics.Observe(mux), Logger: s.log})) })
	}
	if s.bridge == nil {
		return nil
	}
	l, err := s.bridge.Listen(s.settings.Workload.Socket)
	if err != nil {
		return err
	}
	s.log.Info("serving the workload API", "socket", s.settings.Workload.Socket)
	s.tasks.Go(func() { s.tell(s.bridge.Serve(ctx, l)) })
	return nil
}

// harden gives up what the settings do not need.
func (s *sidecar) harden() error {
	if s.settings.Hardening == proxy.Off {
		s.log.Warn("hardening is off")
		return nil
	}
	files := []string{s.wallet.Dir()}
	if s.path != "" {
		files = []string{s.path}
	}
	applied, err := proxy.Harden(proxy.SandboxFor(s.settings, s.wallet.Dir(), files...))
	if err != nil {
		return withHint(err, `hardening = "off" goes without`)
	}
	s.log.Info("hardened", "applied", applied)
	return nil
}

// follow reads the settings again at each SIGHUP.
func (s *sidecar) follow(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			s.tell(s.notify.Reloading())
			if err := s.reload(); err != nil {
				s.log.Error("reload refused, the old configuration goes on", "error", err.Error(), "hints", hints(err))
			} else {
				s.log.Info("reloaded", "routes", s.status())
			}
			s.tell(s.notify.Ready(s.status()))
		}
	}
}

func (s *sidecar) reload() error {
	next, err := s.load()
	if err != nil {
		return err
	}
	plan, err := s.plan(next)
	if err != nil {
		return err
	}
	if err := s.proxy.Apply(plan); err != nil {
		return err
	}
	s.level.Set(next.LogLevel)
	old := s.settings
	for key, changed := range map[string]bool{"dir": next.Dir != old.Dir, "metrics": next.Metrics != old.Metrics, "keep": next.Keep != old.Keep,
		"hardening": next.Hardening != old.Hardening, "workload": next.Workload.Socket != old.Workload.Socket || len(next.Workload.Entries) != len(old.Workload.Entries)} {
		if changed {
			s.log.Warn("a changed setting waits for a restart", "setting", key)
		}
	}
	return nil
}

func (s *sidecar) status() string {
	checks, err := s.proxy.Ready()
	if err != nil {
		return "not ready: " + err.Error()
	}
	return fmt.Sprintf("serving, %d checks good", len(checks))
}

// tell logs what went wrong in the background.
func (s *sidecar) tell(err error) {
	if err != nil {
		s.log.Error("in the background", "error", err.Error())
	}
}
