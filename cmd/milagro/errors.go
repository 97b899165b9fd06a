package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a command line that means nothing.
type usageError struct {
	error
	command string
}

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), cmd.CommandPath()}
}

func (e *usageError) Unwrap() error { return e.error }

func (e *usageError) Hint() string { return fmt.Sprintf("see '%s --help'", e.command) }

// hintedError is an error about which the user can do something.
type hintedError struct {
	error
	hint string
}

func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

func (e *hintedError) Unwrap() error { return e.error }

func (e *hintedError) Hint() string { return e.hint }

// report tells the user of err and returns the exit status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "milagro: %v\n", err)
	for _, hint := range hints(err) {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

// hints returns what every error in err's tree advises, each advice once.
func hints(err error) []string {
	var all []string
	if advice, ok := err.(interface{ Hint() string }); ok && advice.Hint() != "" {
		all = append(all, advice.Hint())
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, hints(wrapper.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			all = append(all, hints(inner)...)
		}
	}
	var once []string
	for _, h := range all {
		if !slices.Contains(once, h) {
			once = append(once, h)
		}
	}
	return once
}
