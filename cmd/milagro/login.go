package main

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/internal/login"
)

const loginDirVariable = "MILAGRO_LOGIN_DIR"

func loginCommand() *cobra.Command {
	g := group("login", "be a login server",
		`Run the login server of one service: people log in with a PIN and a device, and it
stores nothing from which a PIN could be guessed. All but init, card and operator speak to the
running 'login serve' through a socket in its directory, which only its owner can open.
doc/login-terminal.md goes through it from the beginning.`,
		"  milagro login init --dir ./login --service login --origin https://login.example.org --authority https://dta.alpha.example --fingerprint milagro1…\n  milagro login serve --dir ./login --listen 127.0.0.1:7500",
		loginInitCommand(), loginCardCommand(), loginServeCommand(), loginUnlockCommand(), loginRevokeCommand(),
		loginListCommand(), loginStatusCommand(), loginInviteCommand(), loginInvitationsCommand(), loginWithdrawCommand(), loginClientCommand(),
		loginProposalsCommand(), loginApproveCommand(), loginDropCommand(), loginOperatorCommand())
	g.PersistentFlags().String("dir", "", "the login server's directory (or "+loginDirVariable+")")
	return g
}

// loginDir returns the login server's directory, as an absolute path.
func loginDir(cmd *cobra.Command) (string, error) {
	dir, err := cmd.Flags().GetString("dir")
	if err != nil {
		return "", err
	}
	if dir = cmp.Or(dir, os.Getenv(loginDirVariable)); dir == "" {
		return "", usagef(cmd, "%s: which login server? --dir is missing, and %s is not set", cmd.CommandPath(), loginDirVariable)
	}
	return filepath.Abs(dir)
}

// loginOperator returns who speaks to the running login server of cmd's directory.
func loginOperator(cmd *cobra.Command) (*login.Operator, error) {
	dir, err := loginDir(cmd)
	if err != nil {
		return nil, err
	}
	return login.NewOperator(login.SocketPath(dir)), nil
}

// addDevice gives cmd the flag for one device of a name, and returns what reads it:
// nil for all.
func addDevice(cmd *cobra.Command) func() (*identity.DeviceHash, error) {
	text := cmd.Flags().String("device", "", "only this device, as 'list' and 'milagro mpin devices' show it")
	return func() (*identity.DeviceHash, error) {
		if *text == "" {
			return nil, nil
		}
		hash, err := identity.ParseDeviceHash(*text)
		if err != nil {
			return nil, usagef(cmd, "--device: %w", err)
		}
		return &hash, nil
	}
}
