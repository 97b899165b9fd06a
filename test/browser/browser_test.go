//go:build linux

// Package browser runs the pages of package web in Debian's Chromium, end to end:
// real authorities, a real login server, and people in profiles of their own
// (flows.test.js, by node and playwright-core).
package browser

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/web"
)

var pictures = flag.String("pictures", "", "directory into which the pages are drawn, such as ../../doc/img")

// TestPagesInChromium runs every flow.
func TestPagesInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	s := newTown(t)
	control := httptest.NewServer(s.control())
	t.Cleanup(control.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "--test", "--test-reporter=spec", "flows.test.js")
	node.Env = append(os.Environ(), "MILAGRO_ORIGIN="+s.URL(), "MILAGRO_CONTROL="+control.URL, "MILAGRO_CHROMIUM="+chromium)
	if *pictures != "" {
		at, err := filepath.Abs(*pictures)
		if err != nil {
			t.Fatal(err)
		}
		node.Env = append(node.Env, "MILAGRO_PICTURES="+at)
	}
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// Chromium too: it is of node's group.
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	out, err := node.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
}

// town is a 2 of 3 domain whose login server registers people and has pages.
type town struct {
	*logintest.Server
	t *testing.T
}

func newTown(t *testing.T) *town {
	t.Helper()
	var roots []authority.RegistrationRoot
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Flags: []string{"shared-root"},
		Registrations: func(uint32) []authority.RegistrationRoot { return roots }})
	pages, err := web.Handler(web.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := logintest.New(t, logintest.Config{Domain: d, Published: d.Published, Login: login.Config{Pages: pages}})
	everybody, err := identity.ParsePattern("acct:*@example.org")
	if err != nil {
		t.Fatal(err)
	}
	roots = []authority.RegistrationRoot{{Name: "login", Key: s.Card.Ed25519, Allow: []identity.Pattern{everybody}}}
	for _, m := range d.Members {
		if err := m.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return &town{s, t}
}

// control is what the flows ask of the operator.
func (s *town) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(act string, do func(r *http.Request, name identity.Name) (string, error)) {
		mux.HandleFunc("POST /"+act, func(w http.ResponseWriter, r *http.Request) {
			name, err := identity.ParseName(r.URL.Query().Get("name"))
			var answer string
			if err == nil {
				answer, err = do(r, name)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, answer)
		})
	}
	handle("invite", func(r *http.Request, name identity.Name) (string, error) {
		i, err := s.Operator().Invite(r.Context(), name, time.Time{})
		return i.Link, err
	})
	handle("unlock", func(r *http.Request, name identity.Name) (string, error) {
		u, err := s.Operator().Unlock(r.Context(), name, nil)
		return fmt.Sprint(u.Devices), err
	})
	handle("revoke", func(r *http.Request, name identity.Name) (string, error) {
		v, err := s.Operator().Revoke(r.Context(), name, nil)
		return fmt.Sprint(v.Devices), err
	})
	return mux
}
