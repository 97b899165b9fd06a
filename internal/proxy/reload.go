package proxy

import (
	"errors"
	"fmt"
	"reflect"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// Apply makes the proxy do what the plan says, or changes nothing and returns an
// error. The first call starts it. After that:
//
//   - a route that listens where none did starts;
//   - one that is gone stops listening, and its connections go on for the time of Drain;
//   - one that has changed keeps its socket: new connections follow the new settings,
//     those under way the old ones, but those with peers who are not welcome any
//     longer are closed at once;
//   - one that is the same is not touched.
func (p *Proxy) Apply(plan Plan) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return errors.New("the proxy is ending")
	}
	next, opened, err := p.prepare(plan)
	if err != nil {
		for _, port := range opened {
			port.listener.Close()
		}
		return err
	}
	p.drain = plan.Drain
	p.metrics.access.Store(plan.AccessLog)
	for address, port := range p.ports {
		if _, stays := next[address]; !stays {
			delete(p.ports, address)
			p.log.Info("route removed", "route", port.route.Load().Name, "listen", address.String())
			port.listener.Close()
			p.wg.Go(func() { port.end(plan.Drain) })
		}
	}
	for address, r := range next {
		p.switchTo(address, r)
	}
	for address, port := range opened {
		p.ports[address] = port
		p.log.Info("serving", "route", port.route.Load().Name, "address", port.listener.Addr().String())
		p.wg.Go(port.accept)
	}
	p.keys.follow(sources(plan.Routes))
	return nil
}

// prepare makes the runtime of every route that is new or has changed, and the
// ports that are not open yet.
func (p *Proxy) prepare(plan Plan) (next map[Address]*route, opened map[Address]*port, err error) {
	next, opened = map[Address]*route{}, map[Address]*port{}
	for _, settings := range plan.Routes {
		port, open := p.ports[settings.Listen]
		if open && settings.same(port.route.Load().Route) {
			next[settings.Listen] = nil
			continue
		}
		r, err := newRoute(settings, p)
		if err == nil && !open {
			port, err = newPort(p, r)
			if err == nil {
				opened[settings.Listen] = port
			}
		}
		if err != nil {
			return nil, opened, fmt.Errorf("route %s: %w", settings.Name, err)
		}
		r.attach(port)
		next[settings.Listen] = r
	}
	return next, opened, nil
}

// switchTo has an open port follow another route; a nil route is no change.
func (p *Proxy) switchTo(address Address, r *route) {
	port, open := p.ports[address]
	if !open || r == nil {
		return
	}
	old := port.route.Swap(r)
	p.log.Info("route changed", "route", r.Name, "listen", address.String())
	if path := address.Path(); path != "" && old.ListenMode != r.ListenMode {
		if err := chmod(path, r.ListenMode); err != nil {
			p.log.Error("permissions of a socket not changed", "path", path, "error", err)
		}
	}
	drain := p.drain // of this plan: the next one may come first
	port.wg.Go(func() { old.retire(drain) })
	port.expel(r.authorize)
}

// same reports whether r and other mean the same.
func (r Route) same(other Route) bool {
	sources := r.Source == other.Source && r.LocalTLS == other.LocalTLS
	r.Source, other.Source, r.LocalTLS, other.LocalTLS = nil, nil, nil, nil
	return sources && reflect.DeepEqual(r, other)
}

func sources(routes []Route) map[identity.Name]idtls.Source {
	all := map[identity.Name]idtls.Source{}
	for _, r := range routes {
		all[r.As] = r.Source
	}
	return all
}
