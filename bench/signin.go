package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
)

// What the pages may cost at most: a sign-in half as much again as its memory-hard
// step and a quarter of a second, the M-Pin part of it so many milliseconds, the page
// so many bytes.
const (
	signinFactor, signinMillis = 1.5, 250
	mpinMillis                 = 60
	pageBytes                  = 120_000
)

//go:embed signin.mjs
var signinScript []byte

// signinSubjects are what a person sees in Chromium, all of one run of it with so many
// sign-ins. Each row is against its limit.
func signinSubjects(times int) []subject {
	measured := sync.OnceValues(func() (*signins, error) { return measureSignins(times) })
	of := func(take func(*signins) row) func() (row, error) {
		return func() (row, error) {
			m, err := measured()
			if err != nil {
				return row{}, err
			}
			return take(m), nil
		}
	}
	return []subject{
		{name: "signin-browser", against: "argon2id-browser-x1.5+250ms", whole: of(func(m *signins) row {
			return m.against(func(t turn) (float64, float64) { return t.SignIn, signinFactor*t.Stretch + signinMillis })
		})},
		{name: "signin-browser-application", against: "argon2id-browser-x1.5+250ms", whole: of(func(m *signins) row {
			return m.against(func(t turn) (float64, float64) { return t.Application, signinFactor*t.Stretch + signinMillis })
		})},
		{name: "signin-browser-argon2id", whole: of(func(m *signins) row {
			r := m.against(func(t turn) (float64, float64) { return t.Stretch, 1 })
			return row{NS: r.NS}
		})},
		{name: "signin-browser-mpin", against: "60ms", whole: of(func(m *signins) row {
			return m.against(func(t turn) (float64, float64) { return t.MPin, mpinMillis })
		})},
		{name: "signin-page-weight", against: "120kB", whole: of(func(m *signins) row {
			own, limit := m.Weight.Bytes, float64(pageBytes)
			ratio := own / limit
			return row{Bytes: &own, AgainstBytes: &limit, Ratio: &ratio}
		})},
	}
}

// signins is what Chromium has measured, in milliseconds and bytes.
type signins struct {
	Weight struct {
		Bytes   float64 `json:"bytes"`
		Scripts int     `json:"scripts"`
	} `json:"weight"`
	Turns []turn `json:"turns"`
}

// turn is a sign-in on our page, Argon2id alone, and a sign-in at an application,
// one after the other. MPin is the part of the first that is neither Argon2id nor
// waiting for the server.
type turn struct {
	SignIn      float64 `json:"signIn"`
	MPin        float64 `json:"mpin"`
	Stretch     float64 `json:"stretch"`
	Application float64 `json:"application"`
}

// against returns the medians of two times of each turn, and of their ratios.
func (m *signins) against(take func(turn) (own, reference float64)) row {
	var owns, references, ratios []float64
	for _, t := range m.Turns {
		own, reference := take(t)
		owns, references, ratios = append(owns, own), append(references, reference), append(ratios, own/reference)
	}
	const nanoseconds = 1e6
	own, reference, ratio := nanoseconds*median(owns), nanoseconds*median(references), median(ratios)
	return row{NS: &own, AgainstNS: &reference, Ratio: &ratio}
}

// measureSignins has somebody sign in so many times, in Chromium, at a login server
// and an application of its own.
func measureSignins(times int) (m *signins, err error) {
	b, err := findBrowser()
	if err != nil {
		return nil, err
	}
	s, err := newSigninTown()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	link, err := s.invite("acct:alice@bench.example")
	if err != nil {
		return nil, err
	}
	node := exec.Command(b.node, "--input-type=module", "-", b.chromium, s.server.URL(), link, s.app.URL, strconv.Itoa(times))
	node.Dir, node.Stdin, node.Stderr = b.modules, bytes.NewReader(signinScript), os.Stderr
	out, err := node.Output()
	if err != nil {
		return nil, fmt.Errorf("chromium: %w", err)
	}
	m = new(signins)
	if err := json.Unmarshal(out, m); err != nil {
		return nil, err
	}
	if m.Weight.Scripts != 1 || len(m.Turns) != times {
		return nil, fmt.Errorf("the page asks for %d scripts, and there were %d sign-ins", m.Weight.Scripts, len(m.Turns))
	}
	return m, nil
}

// browserTools is a browser and what drives it.
type browserTools struct {
	chromium, node string
	modules        string // the directory whose node_modules have playwright-core
}

// findBrowser finds them. Errors: an absentError where one is not installed.
func findBrowser() (b browserTools, err error) {
	if b.chromium, err = find("chromium"); err != nil {
		return b, err
	}
	if b.node, err = find("node"); err != nil {
		return b, err
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "milagro.dev").Output()
	if err != nil {
		return b, fmt.Errorf("go list: %w", err)
	}
	b.modules = filepath.Join(string(bytes.TrimSpace(out)), "test", "browser")
	if _, err := os.Stat(filepath.Join(b.modules, "node_modules", "playwright-core")); err != nil {
		return b, &absentError{"playwright-core"}
	}
	return b, nil
}
