package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"milagro.dev/dta"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
	"milagro.dev/keys"
)

// liar is an authority that gives false shares: it has the true one do the
// work, and signs another answer with that one's own keys.
type liar struct {
	honest  string // URL of the true authority
	signing ed25519.PrivateKey
	opening hpke.PrivateKey
}

func demoLiarCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "liar", Hidden: true, Short: "be the lying authority of the demo", Args: exactly(),
		Long: "Serve an authority that signs false shares.", Example: "  (started by 'milagro demo')",
	}
	dir := cmd.Flags().String("dir", "", "the authority's directory")
	listen := cmd.Flags().String("listen", "", "address to serve on")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return lie(supervised(cmd), *dir, *listen, telemetry.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo))
	}
	return cmd
}

func lie(ctx context.Context, dir, address string, log *slog.Logger) error {
	protector, err := seal{}.open(dir)
	if err != nil {
		return err
	}
	a, err := authority.Open(ctx, authority.Config{Dir: dir, Protector: protector, Logger: log})
	if err != nil {
		return err
	}
	defer a.Close()
	l := &liar{}
	if err := l.stealKeys(dir, protector); err != nil {
		return err
	}
	admin, err := a.ListenAdmin()
	if err != nil {
		return err
	}
	honest, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.honest = "http://" + honest.Addr().String()
	public, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	serving, ctx := errgroup.WithContext(ctx)
	serving.Go(func() error { return a.Run(ctx, honest, admin) })
	serving.Go(func() error { return webserver.Run(ctx, public, webserver.Config{Handler: l.handler(), Logger: log}) })
	return serving.Wait()
}

// stealKeys takes the authority's keys from where it seals them.
func (l *liar) stealKeys(dir string, protector custody.Protector) error {
	sealed, err := custody.ReadSecretFile(filepath.Join(dir, "keys.sealed"))
	if err != nil {
		return err
	}
	secret, err := protector.Open(sealed, "authority keys")
	if err != nil {
		return err
	}
	r := encoding.Open(secret, "milagro/v1 authority keys")
	seed, opening := r.Fixed(ed25519.SeedSize), r.Bytes(encoding.MaxPart)
	if err := r.Err(); err != nil {
		return err
	}
	l.signing = ed25519.NewKeyFromSeed(seed)
	l.opening, err = hpke.MLKEM768X25519().NewPrivateKey(opening)
	return err
}

func (l *liar) handler() http.Handler {
	honest, err := url.Parse(l.honest)
	if err != nil {
		panic(err) // of an address that net gave us
	}
	proxy := httputil.NewSingleHostReverseProxy(honest)
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.HandleFunc("POST /v1/issue", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = l.issue(w, r, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	return mux
}

// issue has the true authority answer and gives a false share where that gave
// a true one.
func (l *liar) issue(w http.ResponseWriter, r *http.Request, body []byte) error {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, l.honest+"/v1/issue", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = r.Header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
	if response.StatusCode != http.StatusOK {
		w.WriteHeader(response.StatusCode)
		_, err := io.Copy(w, response.Body)
		return err
	}
	var in struct{ Request []byte }
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	reply, err := l.forge(in.Request)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(map[string][]byte{"reply": reply})
}

// forge answers a request with the share of a key that is not the domain's.
func (l *liar) forge(request []byte) ([]byte, error) {
	sealed, err := dta.ParseSealedRequest(request)
	if err != nil {
		return nil, err
	}
	q, err := sealed.Open(l.opening)
	if err != nil {
		return nil, err
	}
	point, err := q.IdentityKey().Point()
	if err != nil {
		return nil, fmt.Errorf("identity point: %w", err)
	}
	reply := dta.ReplyTo(q, keys.NewMasterShare(q.Index, q.Generation, pairing.RandomSecret()).Issue(point))
	if len(q.Evidence) > 0 {
		reply.Statement = dta.StatementFor(q, q.Time).Sign(l.signing)
	}
	return reply.Seal(l.signing, q.ReplyKey)
}
