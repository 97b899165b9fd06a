package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

const (
	sharedRootFlag  = "shared-root"
	loginIssuerFlag = "login-issuer"

	tokenLabel   = "milagro/v1 token"
	tokenSkew    = 30      // seconds between the clocks of issuer and authority
	soleLife     = 10 * 60 // seconds: greatest life of a token without a device
	maxTokenID   = 256
	tokenMemory  = 10 * time.Minute // how long after its end a used token is remembered
	shownSubject = 128              // bytes of a subject in the log
)

// roots are the issuers whose tokens are evidence here.
type roots struct {
	byIssuer map[string]*root
	clock    func() time.Time
	log      *slog.Logger
}

// root is one of them.
type root struct {
	TokenRoot
	template *template
	keys     *keyring
}

// bearer is whom a good token names.
type bearer struct {
	root    *root
	issuer  string
	subject string
	name    identity.Name
	// once is the hash under which the token is remembered, until expires; zero for
	// a token that is bound to its device.
	once    [32]byte
	expires time.Time
}

// newRoots takes settings that CheckTokenRoots has passed. self is the audience of
// those that name none.
func newRoots(settings []TokenRoot, self string, cfg Config) *roots {
	all := &roots{byIssuer: map[string]*root{}, clock: cfg.Clock, log: cfg.Logger}
	for _, s := range settings {
		s = s.withDefaults()
		if s.Audience == "" {
			s.Audience = self
		}
		t, err := parseTemplate(s.NameTemplate)
		if err != nil {
			continue // CheckTokenRoots has refused it
		}
		ring := &keyring{load: loader(s.Keys, new(http.Client)), clock: cfg.Clock, log: cfg.Logger.With("root", s.Name)}
		all.byIssuer[s.Issuer] = &root{TokenRoot: s, template: t, keys: ring}
	}
	return all
}

// warn says in the log what the operator has to know of the roots of a domain.
func (r *roots) warn(document *dta.Document) {
	for _, one := range r.byIssuer {
		if err := one.counts(document); err != nil {
			r.log.Warn("tokens are refused", "root", one.Name, "error", err)
		}
		if one.Binding == BindSoleAudience {
			r.log.Warn("tokens of this issuer are bound to no device", "root", one.Name)
		}
	}
}

// counts refuses a root that may be that of t authorities, in a domain that does
// not say so (R16), and the domain's own login servers, whose keys one operator has.
func (r *root) counts(document *dta.Document) error {
	flags := document.Flags()
	if r.Extent != OwnRoot && !slices.Contains(flags, sharedRootFlag) {
		return errors.New("its issuer counts where the domain document has the flag shared-root, or where it is this authority's own")
	}
	ofDomain := slices.ContainsFunc(document.Services(), func(s dta.Service) bool { return s.Origin == r.Issuer })
	if ofDomain && !slices.Contains(flags, loginIssuerFlag) {
		return errors.New("its issuer is a login server of this domain, and the domain document has no flag login-issuer")
	}
	return nil
}

// refuseToken is a refusal for whoever holds the token.
func refuseToken(format string, args ...any) error {
	return problem.New(problem.TokenRefused, format, args...)
}

// verify makes the checks of spec/issuance.md "Evidence: jwt", in its order, but for
// the use of the token.
func (r *roots) verify(ctx context.Context, document *dta.Document, c *claim, token string) (*bearer, error) {
	h, unverified, err := openToken(token)
	if err != nil {
		return nil, refuseToken("%s", err)
	}
	root := r.byIssuer[unverified.claim("iss")]
	switch {
	case root == nil:
		return nil, refuseToken("its issuer is not one of this authority's")
	case !slices.Contains(root.Purposes, c.Key.Purpose):
		return nil, problem.New(problem.PurposeRefused, "tokens of this issuer do not enrol for %s", c.Key.Purpose)
	}
	if err := root.counts(document); err != nil {
		return nil, refuseToken("%s", err)
	}
	said, err := root.signed(ctx, h, token)
	if err != nil {
		return nil, err
	}
	b, err := root.accept(said, c)
	if err != nil {
		r.log.Info("token refused", "root", root.Name, "subject", shown(said), "error", problem.Of(err).Detail)
		return nil, err
	}
	return b, nil
}

// openToken reads header and payload of a token, of which nothing is verified.
func openToken(token string) (h header, c claims, err error) {
	parts := strings.Split(token, ".") // ParseTokenEvidence has counted them
	first, errFirst := base64.RawURLEncoding.DecodeString(parts[0])
	second, errSecond := base64.RawURLEncoding.DecodeString(parts[1])
	if err := errors.Join(errFirst, errSecond); err != nil {
		return h, nil, errors.New("it is not in base64url")
	}
	if h, err = parseHeader(first); err != nil {
		return h, nil, err
	}
	c, err = parseClaims(second)
	return h, c, err
}

// signed returns the claims of a token that a key of the issuer's has signed.
func (r *root) signed(ctx context.Context, h header, token string) (claims, error) {
	keys, err := r.keys.find(ctx, h.KeyID, h.Algorithm)
	if err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(h.Algorithm)})
	if err != nil {
		return nil, refuseToken("it is no JWS")
	}
	for _, key := range keys {
		payload, err := jws.Verify(key)
		if err != nil {
			continue
		}
		said, err := parseClaims(payload)
		if err != nil || said.claim("iss") != r.Issuer {
			break
		}
		return said, nil
	}
	return nil, refuseToken("its signature does not verify")
}

// accept looks at the claims of a token that is genuine.
func (r *root) accept(said claims, c *claim) (*bearer, error) {
	now := unixSeconds(c.now)
	life, err := said.lives(now, uint64(r.MaxAge/time.Second))
	if err != nil {
		return nil, refuseToken("%s", err)
	}
	b := &bearer{root: r, issuer: r.Issuer, subject: shown(said), expires: time.Unix(int64(life.expires), 0)}
	if err := r.bound(said, c.Device.Hash()); err != nil {
		return nil, refuseToken("%s", err)
	}
	if r.Binding == BindSoleAudience {
		id := said.claim("jti")
		switch {
		case id == "" || len(id) > maxTokenID:
			return nil, refuseToken("it has no jti of 1 to %d bytes, and is bound to no device", maxTokenID)
		case life.expires-life.issued > soleLife:
			return nil, refuseToken("it lives for %d s; of those that are bound to no device at most %d", life.expires-life.issued, soleLife)
		}
		b.once = sha256.Sum256(encoding.LP(tokenLabel, []byte(r.Issuer), []byte(id)))
	}
	if b.name, err = r.template.name(said); err != nil {
		return nil, refuseToken("%s", err)
	}
	switch {
	case b.name != c.Key.Name:
		return nil, problem.New(problem.NameRefused, "the token is for %s", b.name)
	case !slices.ContainsFunc(r.Allow, func(p identity.Pattern) bool { return p.Match(b.name) }):
		return nil, problem.New(problem.NameRefused, "tokens of this issuer do not enrol %s", b.name)
	}
	return b, nil
}

// bound refuses a token that is for another authority or another device.
func (r *root) bound(said claims, device identity.DeviceHash) error {
	audience, err := said.audience()
	if err != nil {
		return err
	}
	want := r.Audience
	if r.Binding == BindAudience {
		want += "#" + device.String()
	}
	if audience != want {
		return fmt.Errorf("it is for another audience than %s", want)
	}
	if r.Binding == BindNonce && said.claim(r.NonceClaim) != device.String() {
		return fmt.Errorf("its claim %s is not the hash of this device", r.NonceClaim)
	}
	return nil
}

// shown returns the subject of a genuine token for the log.
func shown(said claims) string {
	subject := said.claim("sub")
	return strings.ToValidUTF8(subject[:min(len(subject), shownSubject)], "")
}

// tokened looks at a token.
func (i *issuer) tokened(ctx context.Context, domain *served, c *claim) error {
	token, err := dta.ParseTokenEvidence(c.Evidence)
	switch {
	case errors.Is(err, encoding.ErrEncoding):
		return problem.New(problem.Malformed, "%s", err)
	case err != nil:
		return refuseToken("%s", err)
	}
	c.basis = basisToken
	if c.bearer, err = i.roots.verify(ctx, domain.Document, c, token); err != nil {
		return err
	}
	if c.bearer.single() {
		return i.state.lookAtToken(ctx, c.bearer.once)
	}
	return nil
}

// single reports whether the token enrols once.
func (b *bearer) single() bool { return !bytes.Equal(b.once[:], make([]byte, len(b.once))) }

// attributes are those of the log: never the token itself.
func (b *bearer) attributes() []any {
	if b == nil {
		return nil
	}
	return []any{"root", b.root.Name, "issuer", b.issuer, "subject", b.subject}
}
