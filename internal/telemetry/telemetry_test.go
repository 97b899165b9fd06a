package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

const canary = "CANARY-7f3a"

// account hides its PIN when it is logged.
type account struct{ name, pin string }

func (a account) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", a.name), slog.String("pin", a.pin))
}

func TestLogsCarryNoSecret(t *testing.T) {
	for _, key := range []string{
		"code", "evidence", "passphrase", "share", "secret", "pin", "token", "key",
		"Code", "master_share", "device-key", "reply.key", "shares", "one time code", "PIN",
	} {
		var out bytes.Buffer
		logger := NewLogger(&out, slog.LevelInfo)
		logger.Info("plain", key, canary)
		logger.Info("number", key, 737373)
		logger.Info("group", slog.Group("request", slog.Group("inner", key, canary)))
		logger.Info("group name", slog.Group(key, "inner", canary))
		logger.With(key, canary).Info("with")
		logger.WithGroup("request").With(key, canary).Info("with in group")
		logger.WithGroup(key).Info("in group", "value", canary, "n", 737373)
		logger.WithGroup(key).WithGroup("deeper").With("value", canary).Info("in deeper group")
		if s := out.String(); strings.Contains(s, canary) || strings.Contains(s, "737373") || strings.Count(s, redacted) < 8 {
			t.Errorf("key %q:\n%s", key, s)
		}
	}
}

func TestLogsCarryNoRawBytesAndResolveValuers(t *testing.T) {
	var out bytes.Buffer
	logger := NewLogger(&out, slog.LevelInfo)
	logger.Info("seen", "body", []byte(canary), "who", account{"alice", canary}, "inner", slog.GroupValue(slog.Any("raw", []byte(canary))))
	if s := out.String(); strings.Contains(s, canary) || strings.Contains(s, "Q0FOQVJZ") || !strings.Contains(s, "[11 bytes]") || !strings.Contains(s, "alice") {
		t.Error(s)
	}
}

func TestLogsKeepWhatIsNoSecret(t *testing.T) {
	var out bytes.Buffer
	logger := NewLogger(&out, slog.LevelInfo)
	logger.Debug("too quiet")
	logger.With("authority", 2).WithGroup("request").Info("share issued", "name", "spiffe://example.org/web",
		"error", errors.New("code already used"), "monkey", "banana", slog.Group("epoch", "start", 7))
	var line struct {
		Level, Msg string
		Authority  int
		Request    struct {
			Name, Error, Monkey string
			Epoch               struct{ Start int }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON object: %v: %s", err, out.String())
	}
	r := line.Request
	if line.Msg != "share issued" || line.Level != "INFO" || line.Authority != 2 || r.Name != "spiffe://example.org/web" ||
		r.Error != "code already used" || r.Monkey != "banana" || r.Epoch.Start != 7 {
		t.Errorf("%s", out.String())
	}
}

func TestLogsToAFileAreJSON(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	NewLogger(f, slog.LevelInfo).Info("started")
	b, err := os.ReadFile(f.Name())
	if err != nil || !json.Valid(b) {
		t.Errorf("%s, %v", b, err)
	}
}

func get(t *testing.T, h http.Handler, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func TestMetricsHaveRoutesAndNoPaths(t *testing.T) {
	m := NewMetrics()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ceremony/{plan}", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("POST /v1/issue", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, "no")
	})
	mux.Handle("GET /metrics", m.Handler())
	own := prometheus.NewCounter(prometheus.CounterOpts{Name: "milagro_own_total", Help: "Of the server."})
	m.Registry().MustRegister(own)
	own.Inc()
	h := m.Observe(mux)
	get(t, h, "GET", "/v1/ceremony/"+canary)
	get(t, h, "POST", "/v1/issue")
	get(t, h, "GET", "/"+canary)
	status, text := get(t, h, "GET", "/metrics")
	if status != 200 || strings.Contains(text, canary) {
		t.Errorf("%d, and a path from the network: %t", status, strings.Contains(text, canary))
	}
	for _, want := range []string{
		`milagro_http_request_duration_seconds_count{route="GET /v1/ceremony/{plan}",status="200"} 1`,
		`milagro_http_request_duration_seconds_count{route="POST /v1/issue",status="409"} 1`,
		`milagro_http_request_duration_seconds_count{route="unmatched",status="404"} 1`,
		"milagro_own_total 1", "go_goroutines", "process_",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestTwoServersInOneProcessShareNoMetrics(t *testing.T) {
	one, two := NewMetrics(), NewMetrics()
	get(t, one.Observe(http.NotFoundHandler()), "GET", "/")
	if _, text := get(t, two.Handler(), "GET", "/metrics"); strings.Contains(text, "milagro_http_request_duration_seconds_count{") {
		t.Error("the other server's request is counted")
	}
}

func TestObserveCountsHandlersThatPanic(t *testing.T) {
	m := NewMetrics()
	func() {
		defer func() { recover() }()
		get(t, m.Observe(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), "GET", "/")
	}()
	if _, text := get(t, m.Handler(), "GET", "/metrics"); !strings.Contains(text, `_count{route="unmatched",status="aborted"} 1`) {
		t.Error("not counted")
	}
}

func TestObserveLeavesTheConnectionReachable(t *testing.T) {
	server := httptest.NewServer(NewMetrics().Observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestReadyNamesWhatIsNot(t *testing.T) {
	up := Check{"store", func(context.Context) error { return nil }}
	down := Check{"share", func(context.Context) error { return errors.New("no share for this document") }}
	for _, c := range []struct {
		handler http.Handler
		status  int
		body    string
	}{
		{Alive(), 200, `{"alive":true}`},
		{Ready(), 200, `{"ready":true,"checks":{}}`},
		{Ready(up), 200, `{"ready":true,"checks":{"store":"ok"}}`},
		{Ready(down, up), 503, `{"ready":false,"checks":{"share":"no share for this document","store":"ok"}}`},
	} {
		if status, body := get(t, c.handler, "GET", "/readyz"); status != c.status || strings.TrimSpace(body) != c.body {
			t.Errorf("%d %s, want %d %s", status, body, c.status, c.body)
		}
	}
}

func TestReadyDoesNotWaitForAStuckCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := Check{"store", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		if status, body := get(t, Ready(stuck), "GET", "/readyz"); status != 503 || !strings.Contains(body, "deadline") {
			t.Errorf("%d %s", status, body)
		}
	})
}
