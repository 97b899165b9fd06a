package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"milagro.dev/internal/custody"
	"milagro.dev/mpin"
	"milagro.dev/wallet"
)

// pinTries is how often somebody at a terminal may type a new PIN twice.
const pinTries = 3

// pins asks for PINs: at the terminal, where nothing is shown; else a line each of
// a file or of stdin. PINs are never arguments: everybody on a machine reads those.
type pins struct {
	terminal *os.File // nil unless somebody is there to ask
	lines    *bufio.Reader
	prompts  io.Writer
}

// addPINFile gives cmd the flag for programs that log in.
func addPINFile(cmd *cobra.Command) *string {
	return cmd.Flags().String("pin-file", "", "file with a PIN a line, for programs; only you may read it (default the terminal, or stdin)")
}

// openPINs returns where the PINs of cmd come from.
func openPINs(cmd *cobra.Command, path string) (*pins, error) {
	p := &pins{prompts: cmd.ErrOrStderr()}
	if path != "" {
		b, err := custody.ReadSecretFile(path)
		p.lines = bufio.NewReader(bytes.NewReader(b))
		return p, err
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal = f
		return p, nil
	}
	p.lines = bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxInputFile))
	return p, nil
}

// existing asks for a PIN that is in use. The caller clears it.
func (p *pins) existing(ctx context.Context, what string) ([]byte, error) {
	pin, err := p.read(ctx, what)
	if err != nil {
		return nil, err
	}
	return pin, mpin.CheckPIN(pin)
}

// chosen asks for a new PIN, at a terminal twice, and says what is weak about it.
// The caller clears it.
func (p *pins) chosen(ctx context.Context, what string) ([]byte, error) {
	for range pinTries {
		pin, err := p.twice(ctx, what)
		if errors.Is(err, errPINsDiffer) {
			fmt.Fprintln(p.prompts, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if why := wallet.WeakPIN(pin); why != "" {
			fmt.Fprintf(p.prompts, "hint: %s; five wrong guesses lock a device, so whoever finds it tries such PINs first\n", why)
		}
		return pin, nil
	}
	return nil, errPINsDiffer
}

var errPINsDiffer = errors.New("the two PINs differ")

func (p *pins) twice(ctx context.Context, what string) ([]byte, error) {
	pin, err := p.existing(ctx, what)
	if err != nil || p.terminal == nil {
		return pin, err
	}
	again, err := p.read(ctx, what+" again")
	defer clear(again)
	if err == nil && !bytes.Equal(pin, again) {
		clear(pin)
		err = errPINsDiffer
	}
	return pin, err
}

// read returns one PIN as it was typed.
func (p *pins) read(ctx context.Context, what string) ([]byte, error) {
	if p.terminal != nil {
		return p.hidden(ctx, what)
	}
	line, err := p.lines.ReadBytes('\n')
	if err != nil && len(line) == 0 {
		return nil, withHint(fmt.Errorf("%s is missing", what), "one PIN a line, on stdin or in --pin-file")
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// hidden reads a line from the terminal, which shows nothing of it: that is so before
// the prompt appears, and until the line or ctx ends.
func (p *pins) hidden(ctx context.Context, what string) ([]byte, error) {
	fd := int(p.terminal.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.prompts, "%s: ", what)
	type typed struct {
		pin []byte
		err error
	}
	done := make(chan typed, 1)
	go func() { // after ctx it ends with the process
		pin, err := typedLine(p.terminal)
		done <- typed{pin, err}
	}()
	var t typed
	select {
	case t = <-done:
	case <-ctx.Done():
		t.err = ctx.Err()
	}
	err = errors.Join(t.err, term.Restore(fd, before))
	fmt.Fprintln(p.prompts)
	return t.pin, err
}

// What a terminal in raw mode sends for keys.
const (
	keyInterrupt, keyEnd   = 0x03, 0x04
	keyBackspace, keyErase = 0x08, 0x7f
	keyKill                = 0x15
)

// typedLine reads what somebody types up to the return key, and heeds the keys that
// take characters back. It reads no byte too many.
func typedLine(r io.Reader) ([]byte, error) {
	line, key := make([]byte, 0, mpin.MaxPIN+1), make([]byte, 1) // never moved, so that one clear erases it
	for {
		if _, err := io.ReadFull(r, key); err != nil {
			return nil, err
		}
		switch k := key[0]; k {
		case '\r', '\n':
			return line, nil
		case keyInterrupt:
			return nil, context.Canceled
		case keyEnd:
			return nil, io.EOF
		case keyBackspace, keyErase:
			line = line[:max(0, len(line)-1)]
		case keyKill:
			line = line[:0]
		default:
			if len(line) < cap(line) { // one too long is refused later
				line = append(line, k)
			}
		}
	}
}
