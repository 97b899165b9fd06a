package authoritytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Claims are the payload of a token.
type Claims = map[string]any

// TokenIssuer signs JWTs and serves its keys at /jwks, over loopback. At /github and
// /google it hands out tokens for whatever audience is asked for, as the runners of
// GitHub Actions and the metadata server of Google Cloud do.
type TokenIssuer struct {
	// URL is its iss, and where it serves.
	URL string
	// Clock tells the time of the tokens that it hands out.
	Clock func() time.Time

	mu     sync.Mutex // of all below
	signer crypto.Signer
	alg    jose.SignatureAlgorithm
	kid    string
	asked  int
}

// NewTokenIssuer serves an issuer with a key of its own for ES256, until the test
// ends.
func NewTokenIssuer(t testing.TB, clock func() time.Time) *TokenIssuer {
	t.Helper()
	i := &TokenIssuer{Clock: clock}
	i.Rotate(t)
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Rotate gives the issuer another key, and nobody the old one.
func (i *TokenIssuer) Rotate(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.use(key, jose.ES256)
}

// RotateRSA is Rotate with a key for RS256, as clouds have them.
func (i *TokenIssuer) RotateRSA(t testing.TB) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.use(key, jose.RS256)
}

func (i *TokenIssuer) use(key crypto.Signer, alg jose.SignatureAlgorithm) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.signer, i.alg, i.kid = key, alg, rand.Text()
}

// Asked returns how often the keys were fetched.
func (i *TokenIssuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Sign returns a token with these claims; iss, iat, nbf, exp (in ten minutes) and jti
// are added where they are missing. A claim that is nil is left out.
func (i *TokenIssuer) Sign(c Claims) string {
	now := i.Clock().Unix()
	all := Claims{"iss": i.URL, "iat": now, "nbf": now, "exp": now + 600, "jti": rand.Text()}
	for name, value := range c {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	payload, err := json.Marshal(all)
	if err != nil {
		panic(err) // claims of a test
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	key := jose.SigningKey{Algorithm: i.alg, Key: jose.JSONWebKey{Key: i.signer, KeyID: i.kid}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// Keys returns the issuer's JWKS.
func (i *TokenIssuer) Keys() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	public := jose.JSONWebKey{Key: i.signer.Public(), KeyID: i.kid, Use: "sig", Algorithm: string(i.alg)}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		panic(err)
	}
	return b
}

// ServeHTTP serves keys and tokens.
func (i *TokenIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	audience := r.URL.Query().Get("audience")
	switch {
	case r.URL.Path == "/jwks":
		i.mu.Lock()
		i.asked++
		i.mu.Unlock()
		w.Write(i.Keys())
	case r.URL.Path == "/github" && r.Header.Get("Authorization") == "bearer runner":
		json.NewEncoder(w).Encode(map[string]string{"value": i.Sign(GitHub(audience))})
	case r.URL.Path == "/google" && r.Header.Get("Metadata-Flavor") == "Google":
		fmt.Fprint(w, i.Sign(Google(audience)))
	default:
		http.Error(w, "not here", http.StatusForbidden)
	}
}

// Kubernetes returns the claims of a projected service account token.
func Kubernetes(namespace, account, audience string) Claims {
	return Claims{
		"aud": []string{audience},
		"sub": "system:serviceaccount:" + namespace + ":" + account,
		"kubernetes.io": Claims{
			"namespace":      namespace,
			"node":           Claims{"name": "node-1", "uid": "5f1c7f5e-9c0a-4a3b-8a39-0d0c5a6f5c11"},
			"pod":            Claims{"name": account + "-7d4f9c5b8-x2x7q", "uid": "2b0c6ba1-7f0e-4f0b-9d5f-1f3e5d0c8a77"},
			"serviceaccount": Claims{"name": account, "uid": "b7a0c3c1-2f8e-4d39-a4a2-8a7d4d1a3f5e"},
		},
	}
}

// GitHub returns the claims of a workflow's token of GitHub Actions.
func GitHub(audience string) Claims {
	return Claims{
		"aud": audience, "sub": "repo:octo-org/octo-repo:environment:prod", "environment": "prod", "ref": "refs/heads/main",
		"repository": "octo-org/octo-repo", "repository_id": "74", "repository_owner": "octo-org", "repository_owner_id": "65",
		"repository_visibility": "private", "run_id": "30433642", "runner_environment": "github-hosted", "workflow": "deploy",
		"job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
	}
}

// GitLab returns the claims of a job's ID token, which has the audience that the
// job's definition names, and lives as long as the job may.
func GitLab(audience string) Claims {
	return Claims{
		"aud": audience, "sub": "project_path:my-group/my-project:ref_type:branch:ref:main", "environment": "production",
		"namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project",
		"ref": "main", "ref_protected": "true", "ref_type": "branch", "pipeline_id": "574", "job_id": "302", "runner_environment": "self-hosted",
	}
}

// Google returns the claims of a virtual machine's identity token, of format full. It
// has no jti and no nbf, and lives for an hour.
func Google(audience string) Claims {
	return Claims{
		"aud": audience, "azp": "117654321098765432101", "sub": "117654321098765432101", "email_verified": true, "jti": nil, "nbf": nil,
		"email": "web@example-project.iam.gserviceaccount.com",
		"google": Claims{"compute_engine": Claims{
			"instance_creation_timestamp": 1_767_225_600, "instance_id": "152986662232938449", "instance_name": "web-1",
			"project_id": "example-project", "project_number": int64(739_419_398_126), "zone": "europe-west3-a",
		}},
	}
}
