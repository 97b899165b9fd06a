package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"milagro.dev/dta"
	"milagro.dev/wallet"
)

// commandPatience is how long a token command may take; it is ended then.
const commandPatience = 30 * time.Second

// tokenFiles reads INDEX=FILE, each index once.
func tokenFiles(args []string) (map[uint32]string, error) {
	files := map[uint32]string{}
	for _, arg := range args {
		number, path, ok := strings.Cut(arg, "=")
		index, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil || index < 1 || index > dta.MaxAuthorities || path == "" {
			return nil, fmt.Errorf("%q is not INDEX=FILE, with an INDEX from 1 to %d", arg, dta.MaxAuthorities)
		}
		if _, twice := files[uint32(index)]; twice {
			return nil, fmt.Errorf("a second file for authority %d", index)
		}
		files[uint32(index)] = path
	}
	return files, nil
}

// tokensFrom shows the tokens in files, for whatever audience they are.
func tokensFrom(files map[uint32]string) wallet.Tokens {
	return func(_ context.Context, a dta.Authority, _ string) (string, error) {
		path, ok := files[a.Index]
		if !ok {
			return "", fmt.Errorf("no --token %d=FILE", a.Index)
		}
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, 2*dta.MaxToken))
		return string(b), err
	}
}

// tokensBy runs a shell command for each token. What it prints to stderr is in the
// error if it fails; what it prints to stdout, a secret, is not.
func tokensBy(command string) wallet.Tokens {
	return func(ctx context.Context, a dta.Authority, audience string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, commandPatience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.WaitDelay = time.Second // a grandchild may hold the pipe
		cmd.Env = append(os.Environ(), "MILAGRO_AUDIENCE="+audience, fmt.Sprintf("MILAGRO_AUTHORITY=%d", a.Index))
		var stdout, stderr limitedBuffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return "", fmt.Errorf("token command: %w%s", err, lastLine(stderr.String()))
		}
		return stdout.String(), nil
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return ": " + last
	}
	return ""
}

// limitedBuffer keeps the first bytes that are written to it, and drops the rest.
type limitedBuffer struct{ b bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	l.b.Write(p[:min(len(p), max(0, 2*dta.MaxToken-l.b.Len()))])
	return len(p), nil
}

func (l *limitedBuffer) String() string { return l.b.String() }
