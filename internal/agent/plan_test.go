package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/wallet"
)

const pod = "spiffe://example.org/ns/shop/sa/web"

// trusting has all authorities take the tokens of the stage's issuer.
func trusting(t *testing.T) func(*authoritytest.Config, *stage) {
	return func(c *authoritytest.Config, s *stage) {
		allow, err := identity.ParsePattern("spiffe://example.org/ns/shop/sa/*")
		if err != nil {
			t.Fatal(err)
		}
		c.Authorities, c.Flags = 3, []string{"shared-root"}
		c.TokenRoots = func(uint32) []authority.TokenRoot {
			return []authority.TokenRoot{{Name: "cluster", Issuer: s.issuer.URL, Keys: s.issuer.URL + "/jwks", Binding: authority.BindSoleAudience,
				NameTemplate: "spiffe://example.org/ns/{/kubernetes.io/namespace}/sa/{/kubernetes.io/serviceaccount/name}", Allow: []identity.Pattern{allow}}}
		}
	}
}

// tokens are the files in which Kubernetes puts a pod's tokens.
type tokens struct {
	stage *stage
	files TokenFiles
}

func (s *stage) tokens(t *testing.T) tokens {
	t.Helper()
	k := tokens{stage: s, files: TokenFiles{}}
	dir := t.TempDir()
	for i := range s.domain.Members {
		k.files[uint32(i+1)] = filepath.Join(dir, "token-"+string(rune('1'+i)))
	}
	return k
}

// project writes new tokens, with changed claims.
func (k tokens) project(t *testing.T, changed authoritytest.Claims) {
	t.Helper()
	for i, m := range k.stage.domain.Members {
		claims := authoritytest.Kubernetes("shop", "web", m.URL())
		for name, value := range changed {
			claims[name] = value
		}
		if err := os.WriteFile(k.files[uint32(i+1)], []byte(k.stage.issuer.Sign(claims)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// withTokens keeps the pod's name.
func (s *stage) withTokens(t *testing.T, k tokens) Plan {
	t.Helper()
	p := s.plan(t)
	p.Names = []Name{{Name: parseName(t, pod), Purposes: []identity.Purpose{identity.Channel}, Means: k.files}}
	return p
}

func TestTokensAreReadAnewUntilTheyEnrol(t *testing.T) {
	s := newStage(t, trusting(t))
	k := s.tokens(t)
	p := s.withTokens(t, k)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		time.Sleep(time.Minute)
		if why := lacks(t, a)[pod]; !strings.Contains(why, "not enrolled for channel: ") || !strings.Contains(why, "no token") {
			t.Errorf("without a token: %q", why)
		}
		if n := s.log.count("not enrolled"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, s.log)
		}
		for _, m := range k.files {
			if err := os.WriteFile(m, []byte(" \n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		within(t, time.Minute, "empty tokens noticed", func() bool { return strings.Contains(lacks(t, a)[pod], "empty") })
		k.project(t, authoritytest.Claims{"exp": time.Now().Unix() - 3600})
		within(t, time.Minute, "refused tokens noticed", func() bool { return strings.Contains(lacks(t, a)[pod], "refused") })
		time.Sleep(time.Minute)
		k.project(t, nil)
		within(t, 6*time.Minute, "enrolled", func() bool { return ready(t, a) })
		time.Sleep(11 * time.Minute)
		if !ready(t, a) || s.log.count("lacks") > 0 || s.log.count("msg=enrolled", pod) != 1 {
			t.Errorf("an epoch later it lacks %v:\n%s", lacks(t, a), s.log)
		}
	})
}

func TestAnAuthorityThatDoesNotKnowTheDeviceIsShownATokenAgain(t *testing.T) {
	s := newStage(t, trusting(t))
	k := s.tokens(t)
	p := s.withTokens(t, k)
	member := s.domain.Members
	s.play(t, func(t *testing.T) {
		k.project(t, nil)
		s.outside(func() { check(t, member[2].Stop()) })
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "enrolled", func() bool { return len(s.wards(a)) == 1 && ready(t, a) })
		s.outside(func() { check(t, member[2].Start(t.Context())); check(t, member[0].Stop()) })
		for range 24 { // the third knows nothing of it, and two are needed
			time.Sleep(30 * time.Second)
			k.project(t, nil)
		}
		if !ready(t, a) {
			t.Errorf("lacks %v:\n%s", lacks(t, a), s.log)
		}
		if n := s.log.count("renewed without some authorities", pod, "authority 1 silent"); n != 1 {
			t.Errorf("said %d times who is missing:\n%s", n, s.log)
		}
		if n := s.log.count("msg=enrolled", pod); n != 2 {
			t.Errorf("enrolled %d times:\n%s", n, s.log)
		}
	})
}

func TestCodesThatComeLaterEnrol(t *testing.T) {
	s := newStage(t, nil)
	n := parseName(t, web)
	var codes map[uint32]dta.Code
	p := s.plan(t)
	p.Names = []Name{{Name: n, Purposes: []identity.Purpose{identity.Channel}, Means: Codes{Paths: []string{"codes.csv"},
		Read: func(paths []string, _ identity.Name, _ identity.Purpose) (map[uint32]dta.Code, error) {
			if codes == nil {
				return nil, errors.New(paths[0] + ": not there")
			}
			return codes, nil
		}}}}
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		time.Sleep(10 * time.Minute)
		if why := lacks(t, a)[web]; why != "not enrolled for channel: codes.csv: not there" {
			t.Errorf("%q", why)
		}
		s.outside(func() { codes = s.domain.Codes(t, n, identity.Channel) })
		within(t, 20*time.Second, "enrolled", func() bool { return ready(t, a) })
	})
}

func TestPlanChangesDisturbNobodyElse(t *testing.T) {
	s := newStage(t, nil)
	both := s.plan(t, web, api)
	first := Plan{Domains: both.Domains, Names: both.Names[:1], Scope: Listed}
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, first)
		defer stop()
		within(t, time.Minute, "web enrolled", func() bool { return len(s.wards(a)) == 1 && ready(t, a) })
		before := a.ward(parseName(t, web))
		if err := a.Apply(both); err != nil {
			t.Fatal(err)
		}
		within(t, 10*time.Second, "api enrolled", func() bool { return len(s.wards(a)) == 2 && ready(t, a) })
		if a.ward(parseName(t, web)) != before {
			t.Error("web was begun anew")
		}
		if err := a.Apply(Plan{Names: []Name{both.Names[0], both.Names[0]}}); err == nil {
			t.Error("a name was listed twice")
		}
		if err := a.Reload(func() (Plan, error) { return Plan{}, errors.New("agent.toml:3: unknown key") }); err == nil || len(s.wards(a)) != 2 {
			t.Errorf("reloaded %v: %v", s.wards(a), err)
		}
		if err := a.Apply(first); err != nil {
			t.Fatal(err)
		}
		within(t, 10*time.Second, "api no longer kept", func() bool { return len(s.wards(a)) == 1 })
		if _, text := get(t, a, "/metrics"); strings.Contains(text, api) || !strings.Contains(text, web) {
			t.Error("the metrics have the wrong names")
		}
		time.Sleep(16 * time.Minute)
		if !ready(t, a) {
			t.Errorf("lacks %v", lacks(t, a))
		}
		if _, err := a.Wallet().Source(parseName(t, api)).Credential(); !errors.Is(err, wallet.ErrNoKey) {
			t.Errorf("api is still renewed: %v", err)
		}
	})
}

func (a *Agent) ward(n identity.Name) *ward {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wards[n]
}

func TestNamesThatOthersEnrolAreKeptAndForgottenOnesAreNot(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t)
	n := parseName(t, web)
	codes := s.domain.Codes(t, n, identity.Channel)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "pinned", func() bool { return ready(t, a) })
		if _, err := a.Wallet().Enrol(t.Context(), n, identity.Channel, codes); err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Minute)
		if _, err := a.Wallet().Source(n).Credential(); err != nil || len(s.wards(a)) != 1 {
			t.Errorf("kept %v: %v", s.wards(a), err)
		}
		if err := a.Wallet().Forget(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		within(t, 10*time.Second, "no longer kept", func() bool { return len(s.wards(a)) == 0 && ready(t, a) })
	})
}

func TestTwoAgentsKeepOneWallet(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t, web, api)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		b, stopToo := s.start(t, p)
		defer stopToo()
		for range 11 {
			time.Sleep(time.Minute)
			if !ready(t, a) || !ready(t, b) {
				t.Fatalf("one lacks %v, the other %v:\n%s", lacks(t, a), lacks(t, b), s.log)
			}
		}
	})
}

func TestADiskThatRefusesIsNotTheEnd(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t, web)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "enrolled", func() bool { return len(s.wards(a)) == 1 && ready(t, a) })
		locks, err := filepath.Glob(filepath.Join(s.dir, "names", "*", "lock"))
		if err != nil || len(locks) != 1 {
			t.Fatalf("%v, %v", locks, err)
		}
		check(t, os.Remove(locks[0]))
		check(t, os.Mkdir(locks[0], 0o700)) // which not even root opens for writing
		time.Sleep(16 * time.Minute)
		if why := lacks(t, a)[web]; !strings.Contains(why, "no channel key") || s.log.count("keys not renewed") != 1 {
			t.Errorf("lacks %q:\n%s", why, s.log)
		}
		check(t, os.Remove(locks[0]))
		within(t, 2*time.Minute, "a key again", func() bool { return ready(t, a) })
	})
}

func TestADomainThatIsAnotherIsNotPinned(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t)
	p.Domains[0].Fingerprint[0] ^= 1
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		time.Sleep(10 * time.Minute)
		if all := lacks(t, a); len(all) != 1 || all["domain at "+p.Domains[0].URL] == "" || s.log.count("domain not pinned") != 1 {
			t.Errorf("lacks %v:\n%s", all, s.log)
		}
		p.Domains[0].Fingerprint[0] ^= 1
		right := Plan{Domains: []Domain{p.Domains[0]}}
		check(t, a.Apply(right))
		within(t, 10*time.Second, "pinned", func() bool { return ready(t, a) })
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
