package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// sdk is where the tests in JavaScript are: a mutant whose pkg is a file below it
// breaks sdk/js or web/src, and its test is run by node.
const sdk = "sdk/js"

func (m mutant) inNode() bool { return strings.HasPrefix(m.pkg, sdk+"/") }

// killInNode is kill for a test in JavaScript: in a copy of the sources, since node
// knows no overlay.
func (m mutant) killInNode(ctx context.Context, dir string) error {
	source, broken, err := m.broken()
	if err != nil {
		return err
	}
	if err := copySDK(dir); err != nil {
		return err
	}
	file := filepath.Join(dir, m.file)
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		return err
	}
	if out, err := m.nodeTest(ctx, dir); err != nil {
		return fmt.Errorf("the test is red without the break: %w: %s", err, lastLines(out))
	}
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		return err
	}
	out, err := m.nodeTest(ctx, dir)
	switch {
	case err == nil:
		return errors.New("the test is green with the break")
	case !errors.Is(err, errRed):
		return fmt.Errorf("%w: %s", err, lastLines(out))
	}
	return ctx.Err()
}

var errRed = errors.New("red")

// nodeTest builds the copy and runs the test in it. It returns errRed if the test was
// run and is red.
func (m mutant) nodeTest(ctx context.Context, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = filepath.Join(dir, sdk)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("node_modules/.bin/tsc"); err != nil {
		return out, fmt.Errorf("it does not build: %w", err)
	}
	file := strings.TrimPrefix(m.pkg, sdk+"/")
	out, err := run("node", "--test", "--test-reporter=tap", "--test-name-pattern=^"+regexp.QuoteMeta(m.test)+"$", file)
	ran := regexp.MustCompile(`(?m)^(not )?ok \d+ - ` + regexp.QuoteMeta(m.test) + `$`).FindStringSubmatch(out)
	switch {
	case ran == nil:
		return out, errors.New("no such test")
	case ran[1] != "":
		return out, errRed
	}
	return out, err
}

// copySDK copies what tests in JavaScript read; what they only use is linked.
func copySDK(dir string) error {
	if _, err := os.Stat(sdk + "/node_modules"); err != nil {
		return fmt.Errorf("%w\nhint: cd %s && npm ci", err, sdk)
	}
	for _, tree := range []string{sdk, "web/src"} {
		if err := copyTree(dir, tree); err != nil {
			return err
		}
	}
	for _, shared := range []string{sdk + "/node_modules", "spec", "internal"} {
		original, err := filepath.Abs(shared)
		if err != nil {
			return err
		}
		if err := os.Symlink(original, filepath.Join(dir, shared)); err != nil {
			return err
		}
	}
	return nil
}

func copyTree(dir, tree string) error {
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, path), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), b, 0o600)
	})
}
