package agent

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	web = "spiffe://example.org/web"
	api = "spiffe://example.org/api"
)

// call makes one handshake between two sources.
func call(t *testing.T, from, to idtls.Source) error {
	t.Helper()
	welcome := idtls.Member("example.org")
	client, err := idtls.ClientConfig(from, welcome)
	if err != nil {
		t.Fatal(err)
	}
	server, err := idtls.ServerConfig(to, welcome)
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "peer.example"
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error)
	go func() { done <- tls.Server(b, server).Handshake() }()
	err = tls.Client(a, client).Handshake()
	return errors.Join(err, <-done)
}

func TestAgentPinsEnrolsAndRenewsWithNobodyAround(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t, web, api)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "two names enrolled", func() bool { return len(s.wards(a)) == 2 && ready(t, a) })
		from, to := a.Wallet().Source(parseName(t, web)), a.Wallet().Source(parseName(t, api))
		epochs := map[identity.Epoch]bool{}
		for range 21 {
			if err := call(t, from, to); err != nil {
				t.Fatalf("at %v: %v", s.now(), err)
			}
			epochs[epochOf(t, a.Wallet(), parseName(t, web))] = true
			time.Sleep(time.Minute)
		}
		if len(epochs) != 3 || !ready(t, a) {
			t.Errorf("crossed %d epochs, lacks %v", len(epochs), lacks(t, a))
		}
	})
}

// wards returns the texts of the names that are kept.
func (s *stage) wards(a *Agent) (names []string) {
	wards, _ := a.all()
	for _, w := range wards {
		names = append(names, w.name.String())
	}
	return names
}

func TestOutageShorterThanThePrefetchInterruptsNothing(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t, web, api)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "two names enrolled", func() bool { return len(s.wards(a)) == 2 && ready(t, a) })
		from, to := a.Wallet().Source(parseName(t, web)), a.Wallet().Source(parseName(t, api))
		hold := func(d time.Duration) {
			for range d / time.Minute {
				time.Sleep(time.Minute)
				if err := call(t, from, to); err != nil || !ready(t, a) {
					t.Fatalf("at %v: %v, lacks %v", s.now(), err, lacks(t, a))
				}
			}
		}
		hold(7 * time.Minute)
		s.cut(t) // before the last quarter begins
		hold(2 * time.Minute)
		s.restore(t)
		hold(3 * time.Minute)
		if got := epochOf(t, a.Wallet(), parseName(t, web)); got != identity.EpochAt(uint64(s.now().Unix()), length) {
			t.Errorf("epoch %v", got)
		}
	})
}

func TestOutageLongerThanTheEpochIsRecoveredFrom(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t, web, api)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "two names enrolled", func() bool { return len(s.wards(a)) == 2 && ready(t, a) })
		s.cut(t)
		time.Sleep(14 * time.Minute) // the key is accepted for five minutes after its epoch
		if !ready(t, a) {
			t.Errorf("within the skew it lacks %v", lacks(t, a))
		}
		time.Sleep(20 * time.Minute)
		all := lacks(t, a)
		if !strings.Contains(all[web], "no channel key for the present time") || !strings.Contains(all[api], "no channel key") || len(all) != 2 {
			t.Errorf("lacks %v", all)
		}
		s.restore(t)
		within(t, 5*time.Minute, "keys again", func() bool { return ready(t, a) })
		if err := call(t, a.Wallet().Source(parseName(t, web)), a.Wallet().Source(parseName(t, api))); err != nil {
			t.Error(err)
		}
		for _, line := range []string{"keys not renewed", "lacks what its peers accept", "has all it needs again"} {
			if n := s.log.count(line, web); n != 1 {
				t.Errorf("%q was logged %d times:\n%s", line, n, s.log)
			}
		}
	})
}

func TestClockStepsAreRecoveredFrom(t *testing.T) {
	s := newStage(t, nil)
	p := s.plan(t, web)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "enrolled", func() bool { return len(s.wards(a)) == 1 && ready(t, a) })
		for _, step := range []time.Duration{26 * time.Hour, -26 * time.Hour} {
			s.host.Store(int64(step))
			within(t, time.Minute, "not ready", func() bool { return !ready(t, a) })
			time.Sleep(time.Minute)
			s.host.Store(0)
			within(t, 5*time.Minute, "ready again", func() bool { return ready(t, a) })
		}
		time.Sleep(11 * time.Minute)
		if !ready(t, a) {
			t.Errorf("lacks %v", lacks(t, a))
		}
	})
}
