package login

import (
	"net/http"

	"milagro.dev/internal/oidc"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/telemetry"
	"milagro.dev/mpin"
	"milagro.dev/web"
)

// Public returns the handler for everybody (spec/mpin.md "Calls"), where there is
// no connection to bind logins to: channel kind 0. Probes are answered there too.
func (s *Server) Public() http.Handler {
	unbound := func(*http.Request) (mpin.Channel, error) { return mpin.Channel{}, nil }
	mux := s.routes(unbound)
	s.routeOwn(mux)
	if s.pages != nil {
		for _, path := range web.Paths() {
			mux.Handle("GET "+path, s.pages)
		}
	}
	if s.provider != nil {
		mux.Handle("GET "+oidc.Discovery, s.provider)
		mux.Handle("/oauth/", s.provider)
	}
	return s.metrics.Observe(problem.Routes(mux))
}

// Bound returns the handler for connections over identity TLS: channel kind 1.
func (s *Server) Bound() http.Handler {
	return s.metrics.Observe(problem.Routes(s.routes(exporter)))
}

// exporter returns the channel of a request that came over TLS.
func exporter(r *http.Request) (mpin.Channel, error) {
	if r.TLS == nil {
		return mpin.Channel{}, problem.New(problem.Internal, "")
	}
	b, err := r.TLS.ExportKeyingMaterial(mpin.ExporterLabel, nil, mpin.ExporterSize)
	if err != nil {
		return mpin.Channel{}, err
	}
	return mpin.Exporter(b)
}

func (s *Server) routes(channel func(*http.Request) (mpin.Channel, error)) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/mpin/row", post(s, func(r *http.Request, in mpin.RowRequest) (nothing, error) {
		return nothing{}, s.registrar.enrol(r.Context(), in)
	}))
	mux.Handle("POST /v1/mpin/begin", post(s, func(r *http.Request, in mpin.BeginRequest) (mpin.BeginAnswer, error) {
		c, err := channel(r)
		if err != nil {
			return mpin.BeginAnswer{}, err
		}
		return s.gate.begin(r.Context(), in, c)
	}))
	mux.Handle("POST /v1/mpin/finish", post(s, func(r *http.Request, in mpin.FinishRequest) (mpin.FinishAnswer, error) {
		c, err := channel(r)
		if err != nil {
			return mpin.FinishAnswer{}, err
		}
		return s.gate.finish(r.Context(), in, c)
	}))
	s.routeEnrolment(mux)
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) { send(w, s.gate.notary.jwks) })
	mux.Handle("GET /healthz", telemetry.Alive())
	mux.Handle("GET /readyz", telemetry.Ready(s.checks()...))
	mux.Handle("GET /metrics", s.metrics.Handler())
	return mux
}
