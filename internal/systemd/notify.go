// Package systemd tells the service manager that started this process how it is:
// the sd_notify protocol, of which a datagram is a few lines NAME=value on a unix
// socket.
//
//	n, err := systemd.FromEnvironment(os.Getenv)
//	n.Ready("serving")
//	go n.Watchdog(ctx, alive)
//
// Without a service manager every call does nothing, so a program need not ask
// whether there is one. Nothing secret belongs in a status: everybody may read it.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// sendTimeout bounds how long a manager that reads nothing holds us up.
	sendTimeout = time.Second
	// maxStatus bounds a status text, in bytes.
	maxStatus = 1024
)

// Notifier speaks to the service manager. Its methods may be called by many
// goroutines. The zero Notifier speaks to nobody.
type Notifier struct {
	conn     net.Conn
	watchdog time.Duration
}

// FromEnvironment returns the notifier for the variables NOTIFY_SOCKET,
// WATCHDOG_USEC and WATCHDOG_PID, as getenv has them: one that speaks to nobody if
// there is no socket. An error names the variable that makes no sense, or the
// socket that is not there.
func FromEnvironment(getenv func(string) string) (*Notifier, error) {
	address := getenv("NOTIFY_SOCKET")
	if address == "" {
		return &Notifier{}, nil
	}
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %q is neither a path nor an abstract name", address)
	}
	watchdog, err := watchdogOf(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"))
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("unixgram", address)
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &Notifier{conn: conn, watchdog: watchdog}, nil
}

// watchdogOf returns within what time the manager wants to hear of the process
// pid, 0 if not at all or if that is another process.
func watchdogOf(usec, pid string) (time.Duration, error) {
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(time.Duration(1<<63-1)/time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC: %q is no number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Ready says that the process is up, or that a reload is over, with a status in
// words.
func (n *Notifier) Ready(status string) error { return n.send("READY=1\n" + statusLine(status)) }

// Status says in words how the process is.
func (n *Notifier) Status(status string) error { return n.send(statusLine(status)) }

// Reloading says that the process reads its configuration anew; Ready ends it.
func (n *Notifier) Reloading() error {
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic().Microseconds(), 10))
}

// Stopping says that the process is about to end.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Watchdog says until ctx ends, twice in the time that the manager allows, that
// the process is alive, as long as alive returns true. A manager that hears nothing
// kills the process and starts it again.
func (n *Notifier) Watchdog(ctx context.Context, alive func() bool) {
	if n.watchdog == 0 {
		return
	}
	beat := time.NewTicker(max(n.watchdog/2, time.Millisecond))
	defer beat.Stop()
	for {
		if alive() {
			n.send("WATCHDOG=1") // lost: the next one tells
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// Close closes the socket.
func (n *Notifier) Close() error {
	if n.conn == nil {
		return nil
	}
	return n.conn.Close()
}

func (n *Notifier) send(message string) error {
	if n.conn == nil {
		return nil
	}
	if err := n.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if _, err := n.conn.Write([]byte(message)); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// statusLine keeps a status from being more than one line, of UTF-8.
func statusLine(status string) string {
	status = strings.Join(strings.FieldsFunc(status, func(r rune) bool { return r < ' ' }), " ")
	if len(status) > maxStatus {
		status = status[:maxStatus]
	}
	return "STATUS=" + strings.ToValidUTF8(status, "")
}
