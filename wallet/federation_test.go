package wallet

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// partner returns a second town, example.com, and an enrolled name of it.
func partner(t *testing.T, path string) (c *town, w *Wallet, n identity.Name) {
	t.Helper()
	c = newTown(t, 2, 2, day)
	c.fields.Domain = "example.com"
	c.publish(t, c.fields)
	w, n = c.pinned(t), name(t, "spiffe://example.com"+path)
	must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
	return c, w, n
}

// pinToo makes w trust c besides its own town.
func (c *town) pinToo(t *testing.T, w *Wallet) {
	t.Helper()
	own := w.client
	defer func() { w.client = own }()
	w.client = c.client()
	must(w.Pin(t.Context(), c.url(1), c.id()))(t)
}

func patterns(t *testing.T, texts ...string) (all []identity.Pattern) {
	t.Helper()
	for _, text := range texts {
		all = append(all, must(identity.ParsePattern(text))(t))
	}
	return all
}

func welcomeAll(idtls.Peer) error { return nil }

// TestFederatedWalletsTalk lets two domains meet, of which one may vouch for
// billing alone.
func TestFederatedWalletsTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 2, day)
		w, n := c.enrolled(t)
		other, theirs, billing := partner(t, "/billing/eu")
		admin := name(t, "spiffe://example.com/admin")
		must(theirs.Enrol(t.Context(), admin, identity.Channel, other.register()))(t)
		other.pinToo(t, w)
		c.pinToo(t, theirs)

		here := must(w.Federate(n, map[string][]identity.Pattern{"example.com": patterns(t, "spiffe://example.com/billing/*")}))(t)
		all := map[string][]identity.Pattern{"example.org": patterns(t, "spiffe://example.org/**")}
		there, root := must(theirs.Federate(billing, all))(t), must(theirs.Federate(admin, all))(t)
		for _, ends := range [][2]idtls.Source{{here, there}, {there, here}, {here, here}} {
			if err := callAs(t, ends[0], ends[1], welcomeAll); err != nil {
				t.Error(err)
			}
		}
		for _, ends := range [][2]idtls.Source{{here, root}, {root, here}, {w.Source(n), there}} {
			refusal, ok := errors.AsType[*idtls.VerifyError](callAs(t, ends[0], ends[1], welcomeAll))
			if !ok || refusal.Check != idtls.CheckDomain {
				t.Errorf("error = %v", refusal)
			}
		}
	})
}

// TestFederationFollowsThePin changes the partner's document, then takes its
// pin away.
func TestFederationFollowsThePin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 2, day)
		w, n := c.enrolled(t)
		other, theirs, billing := partner(t, "/billing")
		other.pinToo(t, w)
		c.pinToo(t, theirs)
		here := must(w.Federate(n, map[string][]identity.Pattern{"example.com": patterns(t, "spiffe://example.com/billing")}))(t)
		there := must(theirs.Federate(billing, map[string][]identity.Pattern{"example.org": patterns(t, "spiffe://example.org/web")}))(t)
		check(t, callAs(t, there, here, welcomeAll))

		f := other.successor()
		f.Suites = []byte{2}
		other.publish(t, f)
		other.pinToo(t, w)
		time.Sleep(settledLook)
		refusal, ok := errors.AsType[*idtls.VerifyError](callAs(t, there, here, welcomeAll))
		if !ok || refusal.Check != idtls.CheckSuite {
			t.Errorf("by the old document: %v", refusal)
		}

		check(t, os.WriteFile(w.domainDir("example.com")+"/"+documentFile, []byte("?"), 0o600))
		time.Sleep(settledLook)
		if refusal, ok := errors.AsType[*idtls.VerifyError](callAs(t, there, here, welcomeAll)); !ok || refusal.Check != idtls.CheckSuite {
			t.Errorf("a damaged document counts for one: %v", refusal)
		}
		check(t, os.RemoveAll(w.domainDir("example.com")))
		time.Sleep(settledLook)
		if refusal, ok := errors.AsType[*idtls.VerifyError](callAs(t, there, here, welcomeAll)); !ok || refusal.Check != idtls.CheckDomain {
			t.Errorf("not pinned any longer: %v", refusal)
		}
	})
}

func TestFederateRefusesWhatFederatesNothing(t *testing.T) {
	c := newTown(t, 2, 2, day)
	w := c.pinned(t)
	n := name(t, "spiffe://example.org/web")
	for says, foreign := range map[string]map[string][]identity.Pattern{
		"not pinned":     {"example.net": patterns(t, "spiffe://example.net/**")},
		"its own domain": {"example.org": patterns(t, "spiffe://example.org/**")},
		"no names":       {"example.net": nil},
		"another domain": {"example.net": patterns(t, "spiffe://example.net/**", "spiffe://example.org/web")},
		"pattern  lies":  {"example.net": {{}}},
	} {
		if _, err := w.Federate(n, foreign); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, err := w.Federate(n, map[string][]identity.Pattern{"example.net": patterns(t, "spiffe://example.net/**")}); !errors.Is(err, ErrNotPinned) {
		t.Errorf("error = %v", err)
	}
}
