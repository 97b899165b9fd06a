package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
)

// value returns the value of a series in the text format.
func value(t *testing.T, a *Agent, series string) float64 {
	t.Helper()
	_, text := get(t, a, "/metrics")
	line := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(series) + " (.*)$").FindStringSubmatch(text)
	if line == nil {
		t.Fatalf("no %s in\n%s", series, text)
	}
	v, err := strconv.ParseFloat(line[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMetricsFollowEachName(t *testing.T) {
	s := newStage(t, nil)
	s.lists = true
	p := s.plan(t, web)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "enrolled", func() bool { return len(s.wards(a)) == 1 && ready(t, a) })
		key := `{name="` + web + `",purpose="channel",service=""}`
		expect := func(series string, low, high float64) {
			t.Helper()
			if v := value(t, a, series); v < low || v > high {
				t.Errorf("at %v: %s = %v, want %v to %v", time.Now(), series, v, low, high)
			}
		}
		expect("milagro_agent_key_remaining_seconds"+key, 590, 600)
		expect("milagro_agent_next_key"+key, 0, 0)
		expect(`milagro_agent_ready{name="`+web+`"}`, 1, 1)
		expect(`milagro_agent_enrolments_total{name="`+web+`",outcome="ok"}`, 1, 1)
		time.Sleep(9 * time.Minute)
		const age = `milagro_agent_revocation_list_age_seconds{authority="2",domain="example.org"}`
		expect(age, 0, 25)
		expect(`milagro_agent_revocation_bound_seconds{domain="example.org"}`, 1050, 1050) // 600 + 150 + 300
		expect(`milagro_agent_revoked_devices{domain="example.org"}`, 0, 0)
		expect("milagro_agent_next_key"+key, 1, 1)
		expect(`milagro_agent_renewals_total{name="`+web+`",outcome="ok"}`, 1, 1)
		expect(`milagro_agent_last_renewal_timestamp_seconds{name="`+web+`"}`, float64(time.Now().Unix()-120), float64(time.Now().Unix()))
		s.cut(t)
		time.Sleep(11*time.Minute + 30*time.Second) // 90 seconds into an epoch without its key
		expect("milagro_agent_key_remaining_seconds"+key, -90, -25)
		expect(`milagro_agent_ready{name="`+web+`"}`, 1, 1) // peers accept it
		time.Sleep(10 * time.Minute)
		expect(age, 21*60, 22*60)
		expect(`milagro_agent_ready{name="`+web+`"}`, 0, 0)
		expect(`milagro_agent_renewals_total{name="`+web+`",outcome="failed"}`, 3, 1000)
		for i := range 2 {
			expect(fmt.Sprintf(`milagro_agent_authority_answers_total{authority="%d",name="%s",outcome="silent"}`, i+1, web), 3, 1000)
		}
		if _, text := get(t, a, "/metrics"); strings.Contains(text, "milagro_agent_key_remaining_seconds{") || !strings.Contains(text, "milagro_build_info{") {
			t.Error("there is no key, or no build")
		}
		if status, _ := get(t, a, "/healthz"); status != 200 {
			t.Errorf("healthz: %d", status)
		}
	})
}

func TestALineIsSaidOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(sayOnce(slog.NewTextHandler(&out, nil)))
		for range 7 * 60 {
			log.With("wallet", "w").Warn("lists not refreshed", "domain", "example.org", "error", "127.0.0.1:"+strconv.Itoa(int(time.Now().Unix()%9999)))
			log.Warn("lists not refreshed", "domain", "example.com")
			log.Debug("nothing")
			time.Sleep(time.Minute)
		}
		for _, domain := range []string{"example.org", "example.com"} {
			if n := strings.Count(out.String(), domain); n != 7 {
				t.Errorf("said %d times in seven hours of %s", n, domain)
			}
		}
		for i := range 10 * maxSaid {
			log.Warn("many", "domain", strings.Repeat("x", i))
		}
		if h := log.Handler().(once); len(h.said.lines) > maxSaid {
			t.Errorf("remembers %d lines", len(h.said.lines))
		}
	})
}

func TestEnrolmentBacksOffWithinItsBounds(t *testing.T) {
	for failures := range 100 {
		for sent, high := range map[bool]time.Duration{false: localPause, true: remotePause} {
			pause := backoff(failures, sent)
			if pause < firstPause/2 || pause > high || failures > 20 && pause < high/2 {
				t.Errorf("%d failures, sent %t: %v", failures, sent, pause)
			}
		}
	}
}

func TestDecryptKeysAndLaterPurposesAreKept(t *testing.T) {
	s := newStage(t, nil)
	n := parseName(t, web)
	p := s.plan(t)
	p.Names = []Name{{n, []identity.Purpose{identity.Channel, identity.Decrypt}, bothPurposes(t, s.domain, n)}}
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		time.Sleep(11 * time.Minute)
		all, err := a.Wallet().Outlook(n)
		if err != nil || len(all) != 2 || !ready(t, a) {
			t.Fatalf("%+v, %v, lacks %v", all, err, lacks(t, a))
		}
		for _, o := range all {
			if o.Now != identity.EpochAt(uint64(time.Now().Unix()), length) {
				t.Errorf("%+v", o)
			}
		}
		steps, err := a.Outline()
		if err != nil || len(steps) != 2 || !strings.Contains(steps[1], "would renew its channel key, which ends at 2000-01-01T00:20:00Z; would renew its decrypt key") {
			t.Errorf("%q, %v", steps, err)
		}
	})
}
