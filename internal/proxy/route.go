package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// route is a Route that serves.
type route struct {
	Route
	authorize idtls.Authorizer
	tls       *tls.Config
	stats     *routeStats
	buffers   *buffers
	web       *web // of protocol http
}

func newRoute(settings Route, p *Proxy) (*route, error) {
	if settings.Source == nil {
		return nil, errors.New("it has no source of credentials")
	}
	if settings.Local == LocalX509 && settings.LocalTLS == nil {
		return nil, errors.New("local x509 has no certificate")
	}
	patterns := make([]identity.Pattern, 0, len(settings.peers()))
	for _, p := range settings.peers() {
		patterns = append(patterns, p.Pattern)
	}
	r := &route{Route: settings, authorize: idtls.Matching(patterns...), stats: p.metrics.route(settings.Name), buffers: p.buffers}
	make := idtls.ServerConfig
	if r.Mode == Client {
		make = idtls.ClientConfig
	}
	var err error
	if r.tls, err = make(r.Source, r.authorize); err != nil {
		return nil, err
	}
	// Records of full size from the first byte on: a proxy carries bulk.
	r.tls.DynamicRecordSizingDisabled = true
	if host := r.Target.host(); r.Mode == Client && host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			r.tls.ServerName = host
		}
	}
	if r.Protocol == HTTP {
		r.tls.NextProtos = webProtocols() // not insisted on: see web.peerTransport
		r.web = newWeb(r, p)
	}
	return r, nil
}

// attach says which port r is of.
func (r *route) attach(o *port) {
	if r.web != nil {
		r.web.port = o
	}
}

// handle serves a connection to its end; identified is called when it needs no
// place among the unknown any longer.
func (r *route) handle(o *port, raw net.Conn, identified func()) {
	if r.Mode == Client {
		r.handleClient(o, raw, identified)
		return
	}
	began := time.Now()
	s, err := r.accept(o, raw)
	if err != nil {
		r.refuse(raw, began, err)
		return
	}
	identified()
	if r.web != nil {
		r.web.serve(s.conn)
		return
	}
	r.serveTCP(o, s)
}

// handleClient serves a plain connection.
func (r *route) handleClient(o *port, raw net.Conn, identified func()) {
	began := time.Now()
	if !o.enter(r.MaxConnections) {
		r.refuse(raw, began, errLimit)
		return
	}
	hooked := r.buffers.hook(raw)
	hooked.then(o.leave)
	local, err := r.localServer(o.ctx, hooked)
	if err != nil {
		r.refuse(hooked, began, err)
		return
	}
	identified()
	if r.web != nil {
		r.web.serve(local)
		return
	}
	r.serveClientTCP(o, local)
}

// refuse ends a connection that got nowhere.
func (r *route) refuse(raw net.Conn, began time.Time, err error) {
	how := outcomeOf(err)
	r.stats.refused(how, err)
	if how == outcomeLimit {
		reset(raw)
	} else {
		sayGoodbye(raw)
	}
	r.stats.line(line{peer: claimed(err), remote: raw.RemoteAddr(), began: began, outcome: how, err: err})
}

// retire ends what the route itself keeps open, after at most drain.
func (r *route) retire(drain time.Duration) {
	if r.web != nil {
		r.web.retire(drain)
	}
}
