package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

func TestConditionOfAKeyFollowsItsEpoch(t *testing.T) {
	w := newTown()
	source := w.member(t, apiName)
	n, e := parseName(t, apiName), source.credential.Epoch
	ahead := true
	k := newKeyring(nil, nil, func(identity.Name) (bool, error) { return ahead, nil })
	for _, c := range []struct {
		at    uint64
		ahead bool
		want  condition
	}{
		{e.Start, false, keyGood}, {e.End() - uint64(e.Length)/8 - 1, false, keyGood}, {e.End() - uint64(e.Length)/8, false, keyLate},
		{e.End() - 1, true, keyGood}, {e.End() - 1, false, keyLate}, {e.End(), true, keyLate}, {e.End() + e.Skew(), true, keyLate}, {e.End() + e.Skew() + 1, true, keyGone},
	} {
		ahead = c.ahead
		if got := k.state(n, source, time.Unix(int64(c.at), 0)); got.condition != c.want || (got.text == "ok") != (c.want == keyGood) {
			t.Errorf("%d s before the end, ahead %t: %+v", int64(e.End())-int64(c.at), c.ahead, got)
		}
	}
}

// A proxy without a key says so and recovers by itself.
func TestReadinessFollowsTheKey(t *testing.T) {
	w := newTown()
	route := w.serverRoute(t, target(t, echo), webName)
	source := route.Source.(*holder)
	good := source.credential
	source.set(nil, errors.New("no key yet"))
	s := start(t, Config{}, route)
	ready := func() (int, string) {
		rec := httptest.NewRecorder()
		s.ReadyHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		var body struct {
			Ready  bool
			Checks map[string]string
		}
		check(t, json.Unmarshal(rec.Body.Bytes(), &body))
		if body.Ready != (rec.Code == 200) {
			t.Errorf("%d %+v", rec.Code, body)
		}
		return rec.Code, body.Checks["key of "+apiName]
	}
	if status, text := ready(); status != 503 || text != "no key yet" {
		t.Errorf("%d %q", status, text)
	}
	if conn, err := w.peer(t, webName, s.Address("in")); err == nil {
		conn.Close()
		t.Error("a handshake without a key")
	}
	s.awaitLine(t, "no-key")
	if text := s.scrape(); !strings.Contains(text, `milagro_proxy_key_end_seconds{name="`+apiName+`"} 0`) || !strings.Contains(text, `milagro_proxy_key_late{name="`+apiName+`"} 1`) {
		t.Error("the metrics do not say so")
	}
	await(t, "the log", func() bool { return strings.Contains(s.log.String(), "no key yet") })
	source.set(good, nil)
	if status, text := ready(); status != 200 || text != "ok" {
		t.Errorf("%d %q", status, text)
	}
	conn, err := w.peer(t, webName, s.Address("in"))
	check(t, err)
	if got, err := said(conn, "hello"); got != "hello" {
		t.Error(err)
	}
}

func TestKeysAreKeptForTheNamesInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		var running, calls atomic.Int32
		k := newKeyring(New(Config{}).log, func(ctx context.Context, n identity.Name) error {
			calls.Add(1)
			if n.String() == dbName {
				return errors.New("not enrolled")
			}
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			return ctx.Err()
		}, nil)
		follow := func(names ...string) {
			all := map[identity.Name]idtls.Source{}
			for _, n := range names {
				all[parseName(t, n)] = w.source(t, n, time.Now())
			}
			for n, kept := range k.kept { // the source of a name that stays is the same
				if _, stays := all[n]; stays {
					all[n] = kept.source
				}
			}
			k.follow(all)
			synctest.Wait()
		}
		follow(webName, apiName)
		if running.Load() != 2 {
			t.Errorf("%d are kept", running.Load())
		}
		follow(webName)
		if running.Load() != 1 || calls.Load() != 2 {
			t.Errorf("%d are kept after %d calls", running.Load(), calls.Load())
		}
		follow(webName, dbName)
		time.Sleep(3*keepPause + time.Second)
		if calls.Load() != 6 {
			t.Errorf("%d calls: a name that is enrolled later is tried again", calls.Load())
		}
		k.stop()
		if running.Load() != 0 {
			t.Error("it goes on")
		}
	})
}

func TestPeersInMetricsAreBounded(t *testing.T) {
	p := New(Config{})
	s := p.metrics.route("in")
	name := func(i int) identity.Name {
		return parseName(t, "spiffe://example.org/n"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	kept := s.opened(name(0))
	for i := 1; i < 300; i++ {
		c := s.opened(name(i))
		c.in.Add(10)
		s.closed(c)
	}
	if len(s.peers) != maxPeers {
		t.Errorf("%d names", len(s.peers))
	}
	if s.peers[name(0)] != kept || s.peers[name(299)] == nil || s.peers[name(1)] != nil {
		t.Error("the names that are kept are not those with connections and the latest")
	}
	total, bytes := int64(0), int64(0)
	for c := range p.metrics.each {
		total += c.connections.Load()
		bytes += c.in.Load()
	}
	if total != 300 || bytes != 2990 {
		t.Errorf("%d connections, %d bytes: some were lost", total, bytes)
	}
	for i := range maxPeers {
		s.opened(name(400 + i))
	}
	if c := s.opened(name(599)); c != s.rest || len(s.peers) != maxPeers {
		t.Error("with all names connected a new one is not counted as other")
	}
}
