package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// stopPatience is how long a child that was told to stop may take.
const stopPatience = 5 * time.Second

// child is a process of this very program. It stops when its stdin closes, so
// that it does not outlive a parent that was killed; it stays in the parent's
// process group, so that Ctrl-C reaches it.
type child struct {
	name  string
	log   string
	stdin io.Closer
	cmd   *exec.Cmd
	over  chan struct{} // closed once err is there
	err   error
}

// startServer runs this program as a server, until stop.
func startServer(name, log string, args ...string) (*child, error) {
	return startChild(name, log, append(args, "--until-stdin-closes")...)
}

// startChild runs this program with args; what it prints goes to a log file.
func startChild(name, log string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c := &child{name: name, log: log, cmd: exec.Command(self, args...), over: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	dieWithParent(c.cmd)
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.over)
	}()
	return c, nil
}

// runChild runs this program with args, until it is done.
func runChild(ctx context.Context, name, log string, args ...string) error {
	process, err := startChild(name, log, args...)
	if err != nil {
		return err
	}
	select {
	case <-process.over:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), process.stop())
	}
	if process.err != nil {
		return process.failure()
	}
	return nil
}

// stop ends the child and waits for its end.
func (c *child) stop() error {
	c.stdin.Close() // fails when the child is gone already
	select {
	case <-c.over:
	case <-time.After(stopPatience):
		c.cmd.Process.Kill()
		<-c.over
		return fmt.Errorf("%s did not stop and was killed", c.name)
	}
	return nil
}

// failure says why a child ended by itself.
func (c *child) failure() error {
	return c.lastWords(fmt.Errorf("%s ended: %w", c.name, either(c.err, errors.New("without a reason"))))
}

// lastWords adds to err what the child wrote last.
func (c *child) lastWords(err error) error {
	text, _ := os.ReadFile(c.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return withHint(err, "its last words in %s: %s", c.log, lines[len(lines)-1])
}

// either returns err, or instead when there is none.
func either(err, instead error) error {
	if err == nil {
		return instead
	}
	return err
}

// addSupervised gives cmd the flag with which child starts a server, and
// returns what makes its context.
func addSupervised(cmd *cobra.Command) func(*cobra.Command) context.Context {
	on := cmd.Flags().Bool("until-stdin-closes", false, "stop when stdin closes: a supervisor that is killed leaves nothing behind")
	return func(cmd *cobra.Command) context.Context {
		if !*on {
			return cmd.Context()
		}
		ctx, cancel := context.WithCancel(cmd.Context())
		go func() {
			defer cancel()
			io.Copy(io.Discard, cmd.InOrStdin())
		}()
		return ctx
	}
}
