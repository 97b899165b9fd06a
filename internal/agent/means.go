package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/wallet"
)

// Means is how a name gets its first key.
type Means interface {
	// Enrol enrols a name in w for a purpose, with what it reads now.
	Enrol(ctx context.Context, w *wallet.Wallet, n identity.Name, p identity.Purpose) (*wallet.Report, error)
	// Check returns nil if there is now something to enrol with. It asks nobody.
	Check(n identity.Name, p identity.Purpose) error
	// String says in words what it is, without anything secret.
	String() string
	// Again reports whether it may serve a second time, for a device that the
	// authorities have forgotten.
	Again() bool
}

// CodeReader reads the one-time codes for a name and purpose from files, by
// authority.
type CodeReader func(paths []string, n identity.Name, p identity.Purpose) (map[uint32]dta.Code, error)

// Codes are one-time codes in files.
type Codes struct {
	Paths []string
	Read  CodeReader
}

// Enrol enrols with the codes that are in the files now.
func (c Codes) Enrol(ctx context.Context, w *wallet.Wallet, n identity.Name, p identity.Purpose) (*wallet.Report, error) {
	codes, err := c.Read(c.Paths, n, p)
	if err != nil {
		return nil, err
	}
	return w.Enrol(ctx, n, p, codes)
}

// Check reads the files.
func (c Codes) Check(n identity.Name, p identity.Purpose) error {
	_, err := c.Read(c.Paths, n, p)
	return err
}

// String names the files.
func (c Codes) String() string { return "one-time codes in " + strings.Join(c.Paths, ", ") }

// Again returns false: a code is used once.
func (Codes) Again() bool { return false }

// TokenFiles are JWTs in files, by the index of the authority they are for. Whoever
// writes them, such as Kubernetes, may replace them at any time.
type TokenFiles map[uint32]string

// Enrol enrols with the tokens that are in the files now.
func (f TokenFiles) Enrol(ctx context.Context, w *wallet.Wallet, n identity.Name, p identity.Purpose) (*wallet.Report, error) {
	return w.EnrolToken(ctx, n, p, func(_ context.Context, a dta.Authority, _ string) (string, error) {
		return f.read(a.Index)
	})
}

// Check reads all files, and looks whether there are JWTs in them.
func (f TokenFiles) Check(identity.Name, identity.Purpose) error {
	var errs []error
	for _, index := range slices.Sorted(maps.Keys(f)) {
		token, err := f.read(index)
		if err == nil {
			_, err = dta.TokenEvidence(token)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("token for authority %d: %w", index, err))
		}
	}
	return errors.Join(errs...)
}

func (f TokenFiles) read(index uint32) (string, error) {
	path, ok := f[index]
	if !ok {
		return "", errors.New("no file is named")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, 2*dta.MaxToken)) // more is no token
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("%s: empty", path)
	}
	return token, nil
}

// String names the files.
func (f TokenFiles) String() string {
	return "tokens in " + strings.Join(slices.Sorted(maps.Values(f)), ", ")
}

// Again returns true: another token will be there.
func (TokenFiles) Again() bool { return true }

// TokenCommand is a command that prints a JWT.
type TokenCommand struct {
	Command string
	Run     wallet.Tokens
}

// Enrol enrols with the tokens that the command prints now.
func (c TokenCommand) Enrol(ctx context.Context, w *wallet.Wallet, n identity.Name, p identity.Purpose) (*wallet.Report, error) {
	return w.EnrolToken(ctx, n, p, c.Run)
}

// Check returns nil: a command may need what is there only later.
func (TokenCommand) Check(identity.Name, identity.Purpose) error { return nil }

// String does not show the command: its arguments may be secret.
func (TokenCommand) String() string { return "tokens of a command" }

// Again returns true.
func (TokenCommand) Again() bool { return true }
