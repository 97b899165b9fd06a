package wallet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

// These tests run real authorities, with a real ceremony, over loopback.

func parseName(t *testing.T, s string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// pinned opens a new wallet that has pinned d.
func pinned(t *testing.T, d *authoritytest.Domain) *wallet.Wallet {
	t.Helper()
	w, err := wallet.Open(wallet.Config{Dir: filepath.Join(t.TempDir(), "wallet")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Pin(t.Context(), d.Members[0].URL(), d.Published.Document.ID()); err != nil {
		t.Fatal(err)
	}
	return w
}

// enrolled enrols a name in a new wallet.
func enrolled(t *testing.T, d *authoritytest.Domain, name string) (*wallet.Wallet, identity.Name) {
	t.Helper()
	w, n := pinned(t, d), parseName(t, name)
	if r, err := w.Enrol(t.Context(), n, identity.Channel, d.Codes(t, n, identity.Channel)); err != nil {
		t.Fatalf("%v\n%s", err, r.Text())
	}
	return w, n
}

// greet calls the service behind to and returns its answer.
func greet(ctx context.Context, from, to idtls.Source, server identity.Name) (string, error) {
	listener, err := idtls.Listen("tcp", "127.0.0.1:0", to, idtls.Member("example.org"))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "hello")
	}()
	conn, err := idtls.Dial(ctx, "tcp", listener.Addr().String(), from, idtls.Exactly(server))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	<-done
	return string(answer), err
}

func TestTwoWalletsTalkThroughARealDomain(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{})
	web, webName := enrolled(t, d, "spiffe://example.org/web")
	api, apiName := enrolled(t, d, "spiffe://example.org/api")
	if answer, err := greet(t.Context(), web.Source(webName), api.Source(apiName), apiName); err != nil || answer != "hello" {
		t.Errorf("answer %q, error %v", answer, err)
	}
	if _, err := greet(t.Context(), web.Source(webName), api.Source(apiName), webName); err == nil {
		t.Error("another name than the one that was asked for was accepted")
	}
}

func TestARealAuthorityDown(t *testing.T) {
	for _, k := range []struct{ threshold, enrols int }{{2, 1}, {3, 0}} {
		d := authoritytest.New(t, authoritytest.Config{Threshold: k.threshold})
		web, n := enrolled(t, d, "spiffe://example.org/web")
		other := parseName(t, "spiffe://example.org/other")
		codes := d.Codes(t, other, identity.Channel)
		if err := d.Members[2].Stop(); err != nil {
			t.Fatal(err)
		}
		r, err := web.Enrol(t.Context(), other, identity.Channel, codes)
		if got := r.Keys[0].Authorities[2].Outcome; got != wallet.Silent {
			t.Errorf("%d of 3: the authority that is down is %s", k.threshold, got)
		}
		if refused := errors.Is(err, dta.ErrThreshold); refused != (k.enrols == 0) {
			t.Errorf("%d of 3: %v", k.threshold, err)
		}
		if _, err := greet(t.Context(), web.Source(n), web.Source(n), n); err != nil {
			t.Errorf("%d of 3: channels ceased: %v", k.threshold, err)
		}
		status, err := web.Status(t.Context(), "example.org")
		if err != nil || !status[0].Up || !status[1].Up || status[2].Up {
			t.Errorf("%d of 3: status %+v, %v", k.threshold, status, err)
		}
	}
}

func TestRealCodesAreUsedOnceAndByOneName(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2})
	n := parseName(t, "spiffe://example.org/web")
	codes := d.Codes(t, n, identity.Channel)
	first, second := pinned(t, d), pinned(t, d)
	if _, err := first.Enrol(t.Context(), n, identity.Channel, codes); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Enrol(t.Context(), n, identity.Channel, codes); !errors.Is(err, problem.CodeUsed) {
		t.Errorf("another device with the same codes: %v", err)
	}
	thief := parseName(t, "spiffe://example.org/thief")
	fresh := d.Codes(t, n, identity.Channel)
	if _, err := second.Enrol(t.Context(), thief, identity.Channel, fresh); !errors.Is(err, dta.ErrThreshold) {
		t.Errorf("another name with web's codes: %v", err)
	}
	if _, err := second.Enrol(t.Context(), n, identity.Channel, fresh); err != nil {
		t.Errorf("web's second device: %v", err)
	}
}

func TestARevokedDeviceIsRefusedAndANewOneIsNot(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2})
	w, n := enrolled(t, d, "spiffe://example.org/web")
	for _, m := range d.Members[:2] {
		if _, err := m.Operator().Revoke(t.Context(), n, nil); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.Renew(t.Context(), n)
	if !errors.Is(err, problem.Revoked) {
		t.Errorf("renewal: %v", err)
	}
	var got []wallet.Outcome
	for _, a := range r.Keys[0].Authorities {
		got = append(got, a.Outcome)
	}
	if !slices.Equal(got, []wallet.Outcome{wallet.Refused, wallet.Refused, wallet.OK}) {
		t.Errorf("outcomes = %v", got)
	}
	if err := w.Forget(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Enrol(t.Context(), n, identity.Channel, d.Codes(t, n, identity.Channel)); err != nil {
		t.Errorf("a new device: %v", err)
	}
}

func TestKeepCrossesRealEpochs(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2,
		Epochs: map[identity.Purpose]uint32{identity.Channel: 4}})
	w, n := enrolled(t, d, "spiffe://example.org/web")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kept := make(chan error)
	go func() { kept <- w.Keep(ctx, n) }()
	source := w.Source(n)
	epochs := map[identity.Epoch]bool{}
	for len(epochs) < 3 && ctx.Err() == nil {
		if _, err := greet(t.Context(), source, source, n); err != nil {
			t.Errorf("refused after %d epochs: %v", len(epochs), err)
			break
		}
		credential, err := source.Credential()
		if err != nil {
			t.Fatal(err)
		}
		epochs[credential.Epoch] = true
	}
	cancel()
	if err := <-kept; !errors.Is(err, context.Canceled) {
		t.Errorf("keep after %d epochs: %v", len(epochs), err)
	}
}

func TestAPortWhereNobodyIsSaysSo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close()
	w, err := wallet.Open(wallet.Config{Dir: filepath.Join(t.TempDir(), "wallet")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Pin(t.Context(), url, identity.DomainID{1}); err == nil {
		t.Error("pinned")
	}
	if entries, err := os.ReadDir(filepath.Join(w.Dir(), "domains")); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}
