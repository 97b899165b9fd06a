package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/internal/config"
	"milagro.dev/internal/proxy"
)

func proxyCommand() *cobra.Command {
	cmd := addWallet(group("proxy", "carry programs' connections over identity TLS",
		`Stand beside a program that cannot be changed: plain bytes on its side, identity TLS
on the other. 'proxy server' takes connections in from the peers that it allows;
'proxy client' takes them out to a peer that must be the one named. --config serves
many routes from one TOML file (see doc/proxy.md): it is read again on SIGHUP, and a
bad one changes nothing; SIGTERM lets connections end for the time of drain.

Settings of the file: dir, metrics, log_level, access_log, drain, keep, hardening,
[workload] socket, [[workload.entry]] name, user, uid, gid, [[federation]] domain,
names, [[route]] name, mode, as, listen, target, allow, to, protocol, upstream,
peer_header, proxy_protocol, max_connections, idle_timeout, listen_mode,
allow_remote, unsafe_target, local.`,
		"  milagro proxy --config /etc/milagro/proxy.toml\n  milagro proxy --config /etc/milagro/proxy.toml --check",
		proxyOneCommand(proxy.Server), proxyOneCommand(proxy.Client)))
	path := cmd.Flags().String("config", "", "TOML file with settings and routes")
	check := cmd.Flags().Bool("check", false, "load settings, wallet and keys, say what would be served, and exit")
	supervised := addSupervised(cmd)
	noCommand := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *path == "" {
			return noCommand(cmd, args)
		}
		if len(args) > 0 {
			return usagef(cmd, "%s: %q is one argument too many", cmd.CommandPath(), args[0])
		}
		o := proxyOrder{cmd: cmd, path: *path, load: func() (*proxy.Settings, error) { return proxy.Load(*path) }}
		if *check {
			return o.check()
		}
		return o.run(supervised(cmd))
	}
	return cmd
}

// proxyFlags are the flags of one route and the keys of their settings.
func proxyFlags() map[string]string {
	return map[string]string{"as": "as", "listen": "listen", "target": "target", "protocol": "protocol", "upstream": "upstream",
		"peer-header": "peer_header", "proxy-protocol": "proxy_protocol", "max-connections": "max_connections", "idle-timeout": "idle_timeout",
		"listen-mode": "listen_mode", "unsafe-listen": "allow_remote", "unsafe-target": "unsafe_target"}
}

// proxyOneCommand is a proxy with one route.
func proxyOneCommand(mode proxy.Mode) *cobra.Command {
	who, peers, what := "--allow PATTERN", "allow", "a server's sidecar: identity TLS in, plain out"
	example := "  milagro proxy server --as spiffe://example.org/redis --listen 0.0.0.0:6380 --target 127.0.0.1:6379 --allow spiffe://example.org/web"
	if mode == proxy.Client {
		who, peers, what = "--to PATTERN", "to", "a client's sidecar: plain in, identity TLS out"
		example = "  milagro proxy client --as spiffe://example.org/web --listen 127.0.0.1:6379 --target redis.example.org:6380 --to spiffe://example.org/redis"
	}
	cmd := &cobra.Command{
		Use: string(mode) + " --as NAME --listen ADDRESS --target ADDRESS " + who, Short: what, Args: exactly(), Example: example,
		Long: `Serve one route. An ADDRESS is HOST:PORT or unix:PATH. A PATTERN is a name, in which
* stands for one segment of the path and ** at its end for the rest.`,
	}
	flags := cmd.Flags()
	flags.String("as", "", "the name in the wallet to speak as (required)")
	flags.String("listen", "", "where to take connections (required)")
	flags.String("target", "", "where to connect to (required)")
	flags.StringArray(peers, nil, "who may be the peer, a name or pattern; may be repeated (required)")
	flags.String("protocol", "", "tcp or http (default tcp)")
	flags.String("peer-header", "", "http: the header with the peer's name (default Milagro-Peer)")
	flags.String("max-connections", "", "connections at once; more are closed (default 4096)")
	flags.String("idle-timeout", "", "tcp: close a connection on which nothing passes for so long (default never)")
	if mode == proxy.Server {
		flags.String("upstream", "", "http: http1, or h2c for gRPC (default http1)")
		flags.String("proxy-protocol", "", "tcp: off, or v2 to tell the target the peer's address and name (default off)")
		flags.Bool("unsafe-target", false, "allow a target that is not on this host, in clear")
	} else {
		flags.Bool("unsafe-listen", false, "allow others than this host to speak as --as")
	}
	flags.String("listen-mode", "", "permissions of a unix socket to listen on, 0600 or 0660 (default 0600)")
	flags.String("metrics", "", "address for /metrics, /healthz and /readyz (default none)")
	flags.String("log-level", "", "debug, info, warn or error (default info)")
	flags.String("access-log", "", "on or off (default on)")
	flags.String("drain", "", "how long connections may go on after SIGTERM (default 30s)")
	flags.String("keep", "", "off if another process, such as 'milagro agent', renews the keys (default on)")
	flags.String("hardening", "", "off to give up no privileges (default on)")
	check := flags.Bool("check", false, "load settings, wallet and keys, say what would be served, and exit")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o := proxyOrder{cmd: cmd, load: func() (*proxy.Settings, error) { return proxySettings(cmd, mode, peers) }}
		if *check {
			return o.check()
		}
		return o.run(supervised(cmd))
	}
	return cmd
}

// proxySettings makes settings of flags.
func proxySettings(cmd *cobra.Command, mode proxy.Mode, peers string) (*proxy.Settings, error) {
	s, r := new(proxy.Settings), proxy.Route{Mode: mode}
	set := func(into any, flag, key string) error {
		f := cmd.Flags().Lookup(flag)
		if f == nil || !f.Changed {
			return nil
		}
		if e, ok := errors.AsType[*config.Error](config.Set(into, key, f.Value.String())); ok {
			return usagef(cmd, "--%s: %s", flag, e.Reason)
		}
		return nil
	}
	var errs []error
	for flag, key := range proxyFlags() {
		errs = append(errs, set(&r, flag, key))
	}
	for _, flag := range []string{"metrics", "log-level", "access-log", "drain", "keep", "hardening"} {
		errs = append(errs, set(s, flag, strings.ReplaceAll(flag, "-", "_")))
	}
	texts, err := cmd.Flags().GetStringArray(peers)
	errs = append(errs, err)
	var patterns []proxy.Pattern
	for _, text := range texts {
		p, err := identity.ParsePattern(text)
		if err != nil {
			errs = append(errs, usagef(cmd, "--%s: %w", peers, err))
		}
		patterns = append(patterns, proxy.Pattern{Pattern: p})
	}
	if r.Allow = patterns; mode == proxy.Client {
		r.Allow, r.To = nil, patterns
	}
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	s.Routes = []proxy.Route{r}
	err = s.Check()
	if e, ok := errors.AsType[*proxy.SettingError](err); ok {
		return nil, withHint(usagef(cmd, "--%s: %s", flagOf(e.Key), e.Reason), "%s", e.Hint())
	}
	return s, err
}

func flagOf(key string) string {
	for flag, k := range proxyFlags() {
		if k == key {
			return flag
		}
	}
	return key
}

// describeRoute says in one line what a route does.
func describeRoute(r proxy.Route) string {
	peers, from, to := r.Allow, "identity TLS", "plain"
	if r.Mode == proxy.Client {
		peers, from, to = r.To, to, from
	}
	texts := make([]string, len(peers))
	for i, p := range peers {
		texts[i] = p.String()
	}
	return fmt.Sprintf("%s: %s on %v to %s on %v (%s), as %v, peers %s", r.Name, from, r.Listen, to, r.Target, r.Protocol, r.As, strings.Join(texts, " "))
}
