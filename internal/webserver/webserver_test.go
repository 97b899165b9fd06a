package webserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds what a test waits for; none waits that long when all is well.
const patience = 20 * time.Second

// serve runs cfg on a socket; stop ends it and returns what Run returned.
func serve(t *testing.T, cfg Config) (address string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- Run(ctx, listener, cfg) }()
	stopped := false
	stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		select {
		case err := <-over:
			return err
		case <-time.After(patience):
			return errors.New("Run does not return")
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), stop
}

// echo answers with the length of the body, or 413.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, len(body))
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer returns the status line of what the server says until it hangs up.
func answer(t *testing.T, conn net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(conn)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the server does not hang up")
	}
	line, _, _ := strings.Cut(string(b), "\r\n")
	return line
}

func TestSlowHeaderIsCut(t *testing.T) {
	address, _ := serve(t, Config{Handler: http.HandlerFunc(echo), HeaderTimeout: 100 * time.Millisecond})
	conn := dial(t, address)
	go func() { // a byte now and then, for ever
		for {
			if _, err := conn.Write([]byte("G")); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if got := answer(t, conn); strings.Contains(got, "200") {
		t.Errorf("answered %q", got)
	}
}

func TestSlowBodyIsCut(t *testing.T) {
	address, _ := serve(t, Config{Handler: http.HandlerFunc(echo), RequestTimeout: 100 * time.Millisecond})
	conn := dial(t, address)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
	if got := answer(t, conn); strings.Contains(got, "200") {
		t.Errorf("answered %q", got)
	}
}

func TestIdleConnectionIsCut(t *testing.T) {
	address, _ := serve(t, Config{Handler: http.HandlerFunc(echo), IdleTimeout: 100 * time.Millisecond})
	conn := dial(t, address)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if got := answer(t, conn); !strings.Contains(got, "200") {
		t.Errorf("answered %q", got)
	}
}

func TestClientThatDoesNotReadIsCut(t *testing.T) {
	over := make(chan error, 1)
	flood := func(w http.ResponseWriter, r *http.Request) {
		var err error
		for block := make([]byte, 64<<10); err == nil; {
			_, err = w.Write(block)
		}
		over <- err
	}
	address, _ := serve(t, Config{Handler: http.HandlerFunc(flood), AnswerTimeout: 100 * time.Millisecond})
	fmt.Fprint(dial(t, address), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	select {
	case <-over:
	case <-time.After(patience):
		t.Fatal("the handler writes for ever")
	}
}

func TestSizesAreLimited(t *testing.T) {
	address, _ := serve(t, Config{Handler: http.HandlerFunc(echo)})
	for _, c := range []struct {
		name         string
		header, body int
		want         string
	}{
		{"ordinary", 0, 100, "200"},
		{"largest body", 0, MaxBody, "200"},
		{"huge body", 0, MaxBody + 1, "413"},
		{"largest header", MaxHeader - 512, 0, "200"},
		{"huge header", MaxHeader + 512, 0, "431"},
		{"endless header", 64 * MaxHeader, 0, "431"},
	} {
		conn := dial(t, address)
		go fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\nX: %s\r\n\r\n%s",
			c.body, strings.Repeat("x", c.header), strings.Repeat("b", c.body))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if !strings.Contains(line, " "+c.want+" ") {
			t.Errorf("%s: %q %v, want %s", c.name, line, err, c.want)
		}
	}
}

func TestChunkedBodyIsLimitedToo(t *testing.T) {
	address, _ := serve(t, Config{Handler: http.HandlerFunc(echo)})
	// Hidden behind another type, its length is unknown and it goes in chunks.
	body := io.MultiReader(bytes.NewReader(make([]byte, MaxBody+1)))
	resp, err := http.Post("http://"+address, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestSlowClientCostsLessThanOneMebibyte measures heap and stacks of this
// process, in which the clients live as well.
func TestSlowClientCostsLessThanOneMebibyte(t *testing.T) {
	const clients = 200
	reached := make(chan struct{}, clients)
	hold := func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 1)
		r.Body.Read(first)
		reached <- struct{}{}
		io.ReadAll(r.Body)
	}
	address, _ := serve(t, Config{Handler: http.HandlerFunc(hold), Grace: time.Millisecond})
	before := memory()
	for range clients {
		conn := dial(t, address)
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nX: %s\r\nContent-Length: %d\r\n\r\n%s",
			strings.Repeat("x", MaxHeader-512), MaxBody, strings.Repeat("b", MaxBody-1))
	}
	for range clients {
		<-reached
	}
	each := (memory() - before) / clients
	t.Logf("%d bytes a slow client", each)
	if each > 1<<20 {
		t.Errorf("a slow client costs %d bytes", each)
	}
}

func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestRunLetsRequestsFinish(t *testing.T) {
	inside, proceed := make(chan struct{}), make(chan struct{})
	address, stop := serve(t, Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(inside)
		<-proceed
		fmt.Fprint(w, "done")
	})})
	conn := dial(t, address)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-inside
	over := make(chan error, 1)
	go func() { over <- stop() }()
	for { // the listener closes first
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
		runtime.Gosched()
	}
	close(proceed)
	if got := answer(t, conn); !strings.Contains(got, "200") {
		t.Errorf("answered %q", got)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func TestRunCutsRequestsAfterTheGraceAndWaitsForTheirHandlers(t *testing.T) {
	inside := make(chan struct{})
	var returned atomic.Bool
	address, stop := serve(t, Config{Grace: 50 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(inside)
		<-r.Context().Done()
		time.Sleep(50 * time.Millisecond) // as a handler that still tidies up
		returned.Store(true)
	})})
	fmt.Fprint(dial(t, address), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-inside
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !returned.Load() {
		t.Error("Run returned before its handler")
	}
}

func TestRunReportsABrokenListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := Run(t.Context(), listener, Config{Handler: http.NotFoundHandler()}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want net.ErrClosed", err)
	}
}

// lines are what the server logs.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestPanicsAreLoggedAndSurvived(t *testing.T) {
	log := make(lines, 10)
	address, _ := serve(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil)), Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic("bug")
			}
		})})
	if _, err := http.Get("http://" + address + "/panic"); err == nil {
		t.Error("answered")
	}
	if line := <-log; !strings.Contains(line, "bug") {
		t.Errorf("logged %q", line)
	}
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
