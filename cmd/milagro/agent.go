package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/agent"
	"milagro.dev/internal/config"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/systemd"
	"milagro.dev/internal/telemetry"
)

func agentCommand() *cobra.Command {
	cmd := addWallet(&cobra.Command{
		Use: "agent [NAME…]", Short: "keep a host's names enrolled and renewed, for ever",
		Example: "  milagro agent --metrics 127.0.0.1:9464\n  milagro agent --config /etc/milagro/agent.toml --check",
		Long: `Renew the keys and permits of every name in the wallet ahead of their epochs, and of
those that are enrolled later. With --config, pin the domains and enrol the names that
the file lists, by one-time codes or tokens, as often as it takes. NAMEs restrict it to
these. It tells systemd how it is, reads its file again on SIGHUP and stops on SIGTERM.

Settings come from a TOML file (dir, metrics, log_level, [[domain]] url, fingerprint,
[[name]] name, purposes, codes, tokens, token_command), from the environment
(MILAGRO_AGENT_DIR, …), then from flags; the later wins.`,
	})
	flags := cmd.Flags()
	flags.String("metrics", "", "address for /metrics, /healthz and /readyz (default none)")
	flags.String("log-level", "", "debug, info, warn or error (default info)")
	path := flags.String("config", "", "TOML file with settings")
	check := flags.Bool("check", false, "load settings and wallet, say what would be done, and exit")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		only, err := parseNames(args)
		if err != nil {
			return err
		}
		o := agentOrder{path: *path, only: only}
		settings, plan, err := o.load(cmd)
		if err != nil {
			return err
		}
		if *check {
			return checkAgent(cmd, settings, plan)
		}
		return runAgent(supervised(cmd), o, cmd)
	}
	return cmd
}

func parseNames(args []string) ([]identity.Name, error) {
	var names []identity.Name
	for _, arg := range args {
		n, err := identity.ParseName(arg)
		if err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, nil
}

// agentOrder is what the command line says of an agent.
type agentOrder struct {
	path string // of the configuration file
	only []identity.Name
}

// load reads the settings, now as at each SIGHUP.
func (o agentOrder) load(cmd *cobra.Command) (agent.Settings, agent.Plan, error) {
	var s agent.Settings
	var none agent.Plan
	if o.path != "" {
		if err := config.Load(o.path, &s); err != nil {
			return s, none, err
		}
	}
	if err := config.Env("MILAGRO_AGENT_", os.Environ(), &s); err != nil {
		return s, none, err
	}
	for flag, key := range map[string]string{"dir": "dir", "metrics": "metrics", "log-level": "log_level"} {
		if f := cmd.Flags().Lookup(flag); f.Changed {
			if err := config.Set(&s, key, f.Value.String()); err != nil {
				return s, none, usagef(cmd, "--%s: %w", flag, err)
			}
		}
	}
	if s.Metrics != "" {
		if _, _, err := net.SplitHostPort(s.Metrics); err != nil {
			return s, none, usagef(cmd, "metrics: %w", err)
		}
	}
	if s.Dir == "" {
		dir, err := walletDir(cmd)
		if err != nil {
			return s, none, err
		}
		s.Dir = dir
	}
	plan, err := s.Plan(o.path, agent.Sources{Codes: codesOfFiles, Command: tokensBy})
	if err == nil && len(o.only) > 0 {
		plan = plan.Only(o.only)
	}
	return s, plan, err
}

// codesOfFiles is readCodes without a stdin.
func codesOfFiles(paths []string, n identity.Name, p identity.Purpose) (map[uint32]dta.Code, error) {
	return readCodes(strings.NewReader(""), paths, n, p)
}

func newAgent(s agent.Settings, p agent.Plan, stderr io.Writer, notify *systemd.Notifier) (*agent.Agent, *slog.Logger, error) {
	log := telemetry.NewLogger(stderr, s.LogLevel)
	v := buildVersion()
	a, err := agent.New(agent.Config{Dir: s.Dir, Plan: p, Logger: log, Notify: notify,
		Version: agent.Version{Version: v.Version, Revision: v.Revision, Backend: v.Backend}})
	return a, log, err
}

// checkAgent says what an agent would do.
func checkAgent(cmd *cobra.Command, s agent.Settings, p agent.Plan) error {
	a, _, err := newAgent(s, p, cmd.ErrOrStderr(), nil)
	if err != nil {
		return err
	}
	steps, err := a.Outline()
	for _, step := range steps {
		fmt.Fprintln(cmd.OutOrStdout(), step)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "good: the agent would keep %s\n", s.Dir)
	return nil
}

// runAgent runs an agent until ctx ends.
func runAgent(ctx context.Context, o agentOrder, cmd *cobra.Command) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if err := custody.Harden(); err != nil {
		return err
	}
	notify, err := systemd.FromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	defer notify.Close()
	settings, plan, err := o.load(cmd)
	if err != nil {
		return err
	}
	a, log, err := newAgent(settings, plan, cmd.ErrOrStderr(), notify)
	if err != nil {
		return err
	}
	listener, err := listenMetrics(settings.Metrics, log)
	if err != nil {
		return err
	}
	// The names of the file change with a hangup; where the wallet is and what is
	// served where do not.
	ctx, cancel := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	defer reloads.Wait()
	defer cancel()
	reloads.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-hangups:
				a.Reload(func() (agent.Plan, error) { // it logs what is wrong
					_, plan, err := o.load(cmd)
					return plan, err
				})
			}
		}
	})
	return a.Run(ctx, listener)
}

// listenMetrics listens on an address, or returns nil for none.
func listenMetrics(address string, log *slog.Logger) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	log.Info("serving metrics", "address", listener.Addr().String())
	return listener, nil
}
