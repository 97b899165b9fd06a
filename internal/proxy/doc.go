// Package proxy is the sidecar of programs that cannot link idtls: plain bytes
// on one side, identity TLS on the other (doc/proxy.md).
//
//	settings, err := proxy.Load("/etc/milagro/proxy.toml")
//	p := proxy.New(proxy.Config{Logger: log, Metrics: metrics})
//	err = p.Apply(proxy.Plan{Routes: settings.Routes, Drain: settings.Drain.Duration})
//	err = p.Run(ctx) // serves until ctx ends, then drains
//
// # How it works
//
// A Route joins a place to listen and a target. A server's route accepts identity
// TLS from the peers that it allows and speaks plain to the target; a client's
// accepts plain connections and speaks identity TLS to the target, which must be one of
// the peers that it names. Apply may be called again: sockets that stay are kept
// with their connections.
//
// # What stays secret
//
// The keys, which a Source holds. The plain side is as safe as the host is: whoever
// may connect to it, or read it, is trusted as the name itself.
package proxy
