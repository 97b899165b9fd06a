// Package webserver is the one way in which Milagro serves HTTP: with a limit
// on everything that a client can make large or slow.
//
// A client gets 10 seconds for its header and 20 for the whole request, 16 KiB
// of header and 64 KiB of body, and costs less than 1 MiB while it takes its time.
// Run owns every goroutine: when its context ends the listener closes, requests
// under way get a grace period, and Run returns when all is over.
package webserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// MaxHeader is the largest request line with header, in bytes; beyond it the answer is 431.
	MaxHeader = 16 << 10
	// MaxBody is the largest request body, in bytes; reading beyond it is a
	// *http.MaxBytesError, to be answered with 413.
	MaxBody = 64 << 10
)

// httpSlack is what net/http reads beyond MaxHeaderBytes before it refuses.
const httpSlack = 4 << 10

// Config of a server. Only Handler is needed; a duration of 0 is its default.
type Config struct {
	Handler http.Handler
	// Logger takes what net/http has to say of broken connections and of
	// handlers that panic; without one it is dropped.
	Logger *slog.Logger

	HeaderTimeout  time.Duration // from connection to end of header, 10 s
	RequestTimeout time.Duration // from connection to end of body, 20 s
	AnswerTimeout  time.Duration // from end of header to end of answer, 30 s
	IdleTimeout    time.Duration // between requests of a connection, 60 s
	Grace          time.Duration // for requests under way when Run ends, 10 s
}

// Run serves listener until ctx ends, then closes it, waits at most cfg.Grace
// for requests under way, cuts the others, and returns nil once every handler has
// returned. When the listener breaks before that, its error is returned. The
// context of a request ends with its connection, not with ctx.
func Run(ctx context.Context, listener net.Listener, cfg Config) error {
	var open sync.WaitGroup
	server := build(cfg)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Done()
		}
	}
	defer open.Wait() // http.Server.Close does not
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		server.Close()
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), either(cfg.Grace, 10*time.Second))
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-served
	return err
}

func build(cfg Config) *http.Server {
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           http.MaxBytesHandler(cfg.Handler, MaxBody),
		MaxHeaderBytes:    MaxHeader - httpSlack,
		ReadHeaderTimeout: either(cfg.HeaderTimeout, 10*time.Second),
		ReadTimeout:       either(cfg.RequestTimeout, 20*time.Second),
		WriteTimeout:      either(cfg.AnswerTimeout, 30*time.Second),
		IdleTimeout:       either(cfg.IdleTimeout, 60*time.Second),
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

func either(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
