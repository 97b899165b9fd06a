package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/internal/bridge"
)

const (
	// fetchTime bounds one call over a socket of this host.
	fetchTime = 10 * time.Second
	// onChangeTime bounds the command of --on-change.
	onChangeTime = time.Minute
)

func exportX509Command() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "x509 --out DIR", Short: "write a short-lived X.509 certificate, its key and the bundle", Args: atMost(),
		Example: "  milagro export x509 --socket /run/milagro/workload.sock --out /run/web/tls\n" +
			"  milagro export x509 --out /run/web/tls --watch --on-change 'systemctl reload nginx'",
		Long: `Fetch an X.509-SVID over the SPIFFE Workload API of the sidecar on this host and
write it as svid.pem, key.pem (mode 0600) and bundle.pem. The three are links that
one rename switches, so that they always belong together.

The bundle is good for the hop between this program and its own sidecar and for
nothing else: do not copy it to another host or into a system's store. The
certificate lives an hour at most; with --watch the command stays and replaces it.

Who may have which name, the sidecar decides by the user that runs this command.`,
	})
	e := &x509Export{}
	cmd.Flags().StringVar(&e.socket, "socket", "", "the sidecar's workload socket (default: "+bridge.SocketVariable+")")
	cmd.Flags().StringVar(&e.out, "out", "", "directory for the files (required)")
	cmd.Flags().StringVar(&e.name, "name", "", "which of this user's names (default: the first)")
	cmd.Flags().BoolVar(&e.watch, "watch", false, "stay, and keep the files fresh")
	cmd.Flags().StringVar(&e.onChange, "on-change", "", "shell command to run after each change of the files")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return e.run(cmd) }
	return cmd
}

// x509Export is one run of the command.
type x509Export struct {
	socket, out, name, onChange string
	watch                       bool
}

func (e *x509Export) run(cmd *cobra.Command) error {
	socket, name, err := e.parse(cmd)
	if err != nil {
		return err
	}
	if e.watch {
		return bridge.Watch(cmd.Context(), socket, name, func(f *bridge.Files, err error) {
			if err == nil {
				err = e.write(cmd, f)
			}
			if err != nil {
				report(cmd.ErrOrStderr(), err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), fetchTime)
	defer cancel()
	files, err := bridge.Fetch(ctx, socket, name)
	if err != nil {
		return err
	}
	return e.write(cmd, files)
}

func (e *x509Export) parse(cmd *cobra.Command) (socket bridge.Socket, name identity.Name, err error) {
	if e.out == "" {
		return socket, name, usagef(cmd, "%s: --out is required: a directory, best on a tmpfs", cmd.CommandPath())
	}
	flag, text := "--socket", e.socket
	if text == "" {
		flag, text = bridge.SocketVariable, os.Getenv(bridge.SocketVariable)
	}
	if text == "" {
		return socket, name, usagef(cmd, "%s: --socket is required where %s is not set", cmd.CommandPath(), bridge.SocketVariable)
	}
	if socket, err = bridge.ParseSocket(text); err != nil {
		return socket, name, usagef(cmd, "%s: %w", flag, err)
	}
	if e.name != "" {
		if name, err = identity.ParseName(e.name); err != nil {
			return socket, name, usagef(cmd, "--name: %w", err)
		}
	}
	return socket, name, nil
}

// write replaces the files, runs the command for it and says so.
func (e *x509Export) write(cmd *cobra.Command, files *bridge.Files) error {
	if err := files.Write(e.out); err != nil {
		return err
	}
	if err := show(cmd, exportResult{Name: files.Name, Directory: e.out, NotAfter: files.NotAfter.UTC()}); err != nil {
		return err
	}
	if e.onChange == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), onChangeTime)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-c", e.onChange)
	shell.Stdout, shell.Stderr = cmd.ErrOrStderr(), cmd.ErrOrStderr() // stdout is the command's own
	shell.WaitDelay = time.Second
	if err := shell.Run(); err != nil {
		return withHint(fmt.Errorf("--on-change %s: %w", e.onChange, err), "the files in %s are replaced; the program may still use the old ones", e.out)
	}
	return nil
}

type exportResult struct {
	Name      identity.Name `json:"name"`
	Directory string        `json:"directory"`
	NotAfter  time.Time     `json:"not_after"`
}

// Text is result.
func (r exportResult) Text(w io.Writer) {
	fmt.Fprintf(w, "%v until %s: svid.pem, key.pem and bundle.pem in %s\n", r.Name, r.NotAfter.Format(time.RFC3339), r.Directory)
}
