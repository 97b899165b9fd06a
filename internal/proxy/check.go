package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"milagro.dev/identity"
)

// Check fills in what is not given and refuses what cannot be meant. Errors are
// *SettingError where they are about one table.
func (s *Settings) Check() error {
	s.Drain.Duration = cmp.Or(s.Drain.Duration, defaultDrain)
	if len(s.Routes) == 0 {
		return errors.New("there is no [[route]]: nothing would be served")
	}
	if err := s.checkWords(); err != nil {
		return err
	}
	for i := range s.Federation {
		if err := s.Federation[i].check(); err != nil {
			err.List, err.Index = "federation", i
			return err
		}
	}
	for i, e := range s.Workload.Entries {
		if err := e.check(); err != nil {
			err.List, err.Index = "workload.entry", i
			return err
		}
	}
	return s.checkRoutes()
}

// checkWords is for files: the decoder sets what is a string without asking it.
func (s *Settings) checkWords() error {
	for key, value := range map[string]*Switch{"access_log": &s.AccessLog, "keep": &s.Keep, "hardening": &s.Hardening} {
		if err := value.UnmarshalText([]byte(cmp.Or(*value, On))); err != nil {
			return &SettingError{Key: key, Reason: err.Error()}
		}
	}
	if s.Workload.Socket != "" && !filepath.IsAbs(s.Workload.Socket) {
		return &SettingError{Key: "workload.socket", Reason: fmt.Sprintf("%q is no absolute path", s.Workload.Socket)}
	}
	return nil
}

func (s *Settings) checkRoutes() error {
	names, listens := map[string]bool{}, map[Address]bool{}
	for i := range s.Routes {
		r := &s.Routes[i]
		r.fill()
		err := r.check()
		switch {
		case err != nil:
		case names[r.Name]:
			err = &SettingError{Key: "name", Reason: fmt.Sprintf("another route is called %q", r.Name), hint: "a route is known in logs and metrics by its name"}
		case listens[r.Listen]:
			err = &SettingError{Key: "listen", Reason: fmt.Sprintf("another route listens on %v", r.Listen)}
		case r.Local == LocalX509 && s.Workload.Socket == "":
			err = &SettingError{Key: "local", Reason: "x509 needs the Workload API that gives the program its certificate", hint: "add [workload] with socket = \"/run/milagro/workload.sock\""}
		}
		if err != nil {
			err.List, err.Index = "route", i
			return err
		}
		names[r.Name], listens[r.Listen] = true, true
	}
	return nil
}

func (f *Federation) check() *SettingError {
	if err := identity.CheckDomain(f.Domain); err != nil {
		return &SettingError{Key: "domain", Reason: err.Error()}
	}
	if len(f.Names) == 0 {
		return &SettingError{Key: "names", Reason: "no name: say which names the domain may vouch for", hint: fmt.Sprintf("names = [\"spiffe://%s/**\"] are all of them", f.Domain)}
	}
	for _, p := range f.Names {
		if p.Domain() != f.Domain {
			return &SettingError{Key: "names", Reason: fmt.Sprintf("%v does not lie in %s", p, f.Domain)}
		}
	}
	return nil
}

func (e *WorkloadEntry) check() *SettingError {
	given := 0
	for _, so := range []bool{e.User != "", e.UID != nil, e.GID != nil} {
		if so {
			given++
		}
	}
	switch {
	case e.Name.IsZero():
		return &SettingError{Key: "name", Reason: "is missing", hint: "the name that the processes may have"}
	case given != 1:
		return &SettingError{Key: "user", Reason: fmt.Sprintf("%d of user, uid and gid are given, not one", given)}
	}
	return nil
}

func (r *Route) fill() {
	r.Protocol = cmp.Or(r.Protocol, TCP)
	r.Upstream = cmp.Or(r.Upstream, HTTP1)
	r.ProxyProtocol = cmp.Or(r.ProxyProtocol, NoProxyProtocol)
	r.Local = cmp.Or(r.Local, LocalPlain)
	r.Name = cmp.Or(r.Name, r.Listen.String())
	r.PeerHeader = cmp.Or(r.PeerHeader, defaultPeerHeader)
	r.MaxConnections = cmp.Or(r.MaxConnections, defaultConnections)
	r.ListenMode = cmp.Or(r.ListenMode, 0o600)
}

// peers are the patterns of who may be at the other end.
func (r *Route) peers() []Pattern {
	if r.Mode == Server {
		return r.Allow
	}
	return r.To
}

func (r *Route) check() *SettingError {
	if err := r.checkWords(); err != nil {
		return err
	}
	for _, missing := range []struct {
		key    string
		absent bool
		hint   string
	}{
		{"mode", r.Mode == "", `"server" takes identity TLS in, "client" gives it out`},
		{"as", r.As.IsZero(), "the name in the wallet that this route speaks as"},
		{"listen", r.Listen.IsZero(), "HOST:PORT or unix:PATH"},
		{"target", r.Target.IsZero(), "HOST:PORT or unix:PATH"},
		{"allow", r.Mode == Server && len(r.Allow) == 0, "nobody is welcome by omission: name the peers, or patterns such as spiffe://example.org/**"},
		{"to", r.Mode == Client && len(r.To) == 0, "nobody is welcome by omission: name who must answer at the target"},
	} {
		if missing.absent {
			return &SettingError{Key: missing.key, Reason: "is missing", hint: missing.hint}
		}
	}
	for _, check := range []func() *SettingError{r.checkMode, r.checkHost, r.checkProtocol, r.checkNumbers} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Route) checkWords() *SettingError {
	words := []struct {
		key  string
		into interface{ UnmarshalText([]byte) error }
		text string
	}{
		{"mode", &r.Mode, cmp.Or(string(r.Mode), string(Server))}, {"protocol", &r.Protocol, string(r.Protocol)}, {"upstream", &r.Upstream, string(r.Upstream)},
		{"proxy_protocol", &r.ProxyProtocol, string(r.ProxyProtocol)}, {"local", &r.Local, string(r.Local)}, {"listen_mode", &r.ListenMode, fmt.Sprintf("%04o", r.ListenMode)},
	}
	mode := r.Mode
	defer func() { r.Mode = mode }() // a missing one stays missing
	for _, w := range words {
		if err := w.into.UnmarshalText([]byte(w.text)); err != nil {
			return &SettingError{Key: w.key, Reason: err.Error()}
		}
	}
	return nil
}

// checkMode refuses settings of the other mode.
func (r *Route) checkMode() *SettingError {
	type mark struct {
		key   string
		given bool
	}
	other, marks := Server, []mark{{"allow", len(r.Allow) > 0}, {"proxy_protocol", r.ProxyProtocol != NoProxyProtocol},
		{"upstream", r.Upstream != HTTP1}, {"unsafe_target", r.UnsafeTarget}}
	if r.Mode == Server {
		other, marks = Client, []mark{{"to", len(r.To) > 0}, {"allow_remote", r.AllowRemote}}
	}
	for _, m := range marks {
		if m.given {
			return &SettingError{Key: m.key, Reason: fmt.Sprintf("belongs to mode %q, this route is of mode %q", other, r.Mode)}
		}
	}
	return nil
}

// checkHost keeps the plain side on this host.
func (r *Route) checkHost() *SettingError {
	switch {
	case r.Mode == Client && !r.Listen.Local() && !r.AllowRemote:
		return &SettingError{Key: "listen", Reason: fmt.Sprintf("%v is no address of this host alone: whoever reaches it would speak as %v", r.Listen, r.As),
			hint: "listen on 127.0.0.1, [::1] or unix:PATH; allow_remote = true (--unsafe-listen) if the network guards it"}
	case r.Mode == Server && !r.Target.Local() && !r.UnsafeTarget:
		return &SettingError{Key: "target", Reason: fmt.Sprintf("%v is not on this host: the bytes would go there in clear", r.Target),
			hint: "a sidecar runs beside its program; unsafe_target = true (--unsafe-target) if the network guards the way"}
	}
	return nil
}

func (r *Route) checkProtocol() *SettingError {
	switch {
	case r.Protocol == TCP && r.Upstream != HTTP1:
		return &SettingError{Key: "upstream", Reason: `needs protocol = "http"`}
	case r.Protocol == HTTP && r.ProxyProtocol != NoProxyProtocol:
		return &SettingError{Key: "proxy_protocol", Reason: `needs protocol = "tcp"`, hint: "in HTTP the peer's name is in " + r.PeerHeader}
	case !slices.ContainsFunc([]byte(r.PeerHeader), func(c byte) bool { return !headerByte(c) }):
		return nil
	}
	return &SettingError{Key: "peer_header", Reason: fmt.Sprintf("%q is no name of a header", r.PeerHeader), hint: "letters, digits and hyphens, such as " + defaultPeerHeader}
}

func headerByte(c byte) bool {
	return strings.IndexByte("-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", c) >= 0
}

func (r *Route) checkNumbers() *SettingError {
	switch {
	case r.MaxConnections < 0 || r.MaxConnections > 1_000_000:
		return &SettingError{Key: "max_connections", Reason: fmt.Sprintf("%d is not between 1 and 1000000", r.MaxConnections)}
	case r.Target.Port() == "0":
		return &SettingError{Key: "target", Reason: "port 0 is no port"}
	}
	return nil
}
