package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	// lookInterval is how often the keys are looked at for the log.
	lookInterval = time.Second
	// keepPause lies between two attempts to keep a name that the wallet did not know.
	keepPause = 10 * time.Second
)

// condition is how the key of a name is.
type condition int

const (
	keyGood condition = iota
	// keyLate is good and should have been renewed by now.
	keyLate
	// keyGone is none that peers accept.
	keyGone
)

// keyState is the condition of a key and what there is to say about it.
type keyState struct {
	condition condition
	text      string
	end       uint64 // of the epoch of the key in use, unix seconds; 0 if there is none
}

// keyring watches the keys of the names that routes speak as, and has them renewed.
type keyring struct {
	log   *slog.Logger
	keep  func(context.Context, identity.Name) error
	ahead func(identity.Name) (bool, error)

	mu    sync.Mutex // of all below
	kept  map[identity.Name]*keptKey
	wg    sync.WaitGroup
	ended bool
}

type keptKey struct {
	source idtls.Source
	stop   context.CancelFunc
}

func newKeyring(log *slog.Logger, keep func(context.Context, identity.Name) error, ahead func(identity.Name) (bool, error)) *keyring {
	return &keyring{log: log, keep: keep, ahead: ahead, kept: map[identity.Name]*keptKey{}}
}

// follow makes these the names, and leaves those alone that stay.
func (k *keyring) follow(sources map[identity.Name]idtls.Source) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for n, old := range k.kept {
		if now, stays := sources[n]; !stays || now != old.source {
			old.stop()
			delete(k.kept, n)
		}
	}
	for n, source := range sources {
		if k.kept[n] != nil || k.ended {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		k.kept[n] = &keptKey{source, cancel}
		k.wg.Go(func() { k.watch(ctx, n, source) })
		if k.keep != nil {
			k.wg.Go(func() { k.renew(ctx, n) })
		}
	}
}

// stop ends everything and waits for it.
func (k *keyring) stop() {
	k.mu.Lock()
	k.ended = true
	for _, kept := range k.kept {
		kept.stop()
	}
	k.mu.Unlock()
	k.wg.Wait()
}

// renew keeps the keys of a name renewed, also if it is enrolled only later.
func (k *keyring) renew(ctx context.Context, n identity.Name) {
	for ctx.Err() == nil {
		err := k.keep(ctx, n)
		if ctx.Err() != nil {
			return
		}
		k.log.Error("nothing renews a name's keys", "name", n.String(), "error", err, "again in", keepPause.String())
		select {
		case <-ctx.Done():
		case <-time.After(keepPause):
		}
	}
}

// watch logs how the key of a name changes.
func (k *keyring) watch(ctx context.Context, n identity.Name, source idtls.Source) {
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	last := keyState{}
	for {
		now := k.state(n, source, time.Now())
		if now.condition != last.condition {
			level := slog.LevelInfo
			if now.condition != keyGood {
				level = slog.LevelError
			}
			k.log.Log(ctx, level, "condition of a name's keys", "name", n.String(), "condition", now.text)
		}
		last = now
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// state says how the key of a name is.
func (k *keyring) state(n identity.Name, source idtls.Source, at time.Time) keyState {
	c, err := source.Credential()
	if err == nil && c == nil {
		err = errNoKey
	}
	if err != nil {
		return keyState{keyGone, err.Error(), 0}
	}
	now := uint64(max(0, at.Unix()))
	s := keyState{keyGood, "ok", c.Epoch.End()}
	end := time.Unix(int64(c.Epoch.End()), 0).UTC().Format(time.RFC3339)
	last := time.Unix(int64(c.Epoch.End()+c.Epoch.Skew()), 0).UTC().Format(time.RFC3339)
	switch {
	case c.Epoch.End()+c.Epoch.Skew() < now:
		return keyState{keyGone, "the key ended at " + end, s.end}
	case c.Epoch.End() <= now:
		s.condition, s.text = keyLate, fmt.Sprintf("not renewed: the key ended at %s, peers accept it until %s", end, last)
	case now+uint64(c.Epoch.Length)/8 < c.Epoch.End(), k.ahead == nil:
	default:
		if ahead, err := k.ahead(n); err != nil || !ahead {
			s.condition, s.text = keyLate, fmt.Sprintf("not renewed: the key ends at %s, peers accept it until %s", end, last)
		}
	}
	return s
}

// states returns how every key is.
func (k *keyring) states() map[identity.Name]keyState {
	k.mu.Lock()
	sources := map[identity.Name]idtls.Source{}
	for n, kept := range k.kept {
		sources[n] = kept.source
	}
	k.mu.Unlock()
	all := map[identity.Name]keyState{}
	for n, source := range sources {
		all[n] = k.state(n, source, time.Now())
	}
	return all
}

// collect sends the metrics of keys.
func (k *keyring) collect(out chan<- prometheus.Metric) {
	end := described("key_end_seconds", "End of the key in use, in unix seconds; 0 if there is none.", "name")
	late := described("key_late", "1 if the key should have been renewed by now.", "name")
	for n, s := range k.states() {
		out <- prometheus.MustNewConstMetric(end, prometheus.GaugeValue, float64(s.end), n.String())
		value := 0.0
		if s.condition != keyGood {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(late, prometheus.GaugeValue, value, n.String())
	}
}

// Ready returns nil iff the proxy listens and every name has a key that peers
// accept; what there is to say comes with it, by check. A key that is late is no
// reason not to be ready: it serves until its end.
func (p *Proxy) Ready() (checks map[string]string, err error) {
	checks = map[string]string{"listeners": "ok"}
	p.mu.Lock()
	open, ending := len(p.ports), p.ending
	p.mu.Unlock()
	if ending || open == 0 {
		checks["listeners"] = "none: the proxy is ending"
		err = errors.New("the proxy does not listen")
	}
	states := p.keys.states()
	for _, n := range slices.SortedFunc(maps.Keys(states), func(a, b identity.Name) int {
		return slices.Compare([]byte(a.String()), []byte(b.String()))
	}) {
		checks["key of "+n.String()] = states[n].text
		if states[n].condition == keyGone {
			err = errors.Join(err, fmt.Errorf("%v: %s", n, states[n].text))
		}
	}
	return checks, err
}

// ReadyHandler answers GET /readyz as telemetry.Ready does.
func (p *Proxy) ReadyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		checks, err := p.Ready()
		body := struct {
			Ready  bool              `json:"ready"`
			Checks map[string]string `json:"checks"`
		}{err == nil, checks}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(body) // a prober that is gone needs no answer
	})
}
