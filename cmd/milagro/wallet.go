package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"milagro.dev/internal/telemetry"
	"milagro.dev/wallet"
)

const walletVariable = "MILAGRO_WALLET"

// addWallet gives cmd the flag that says which wallet it works on.
func addWallet(cmd *cobra.Command) *cobra.Command {
	cmd.PersistentFlags().String("dir", "", "the wallet's directory (or "+walletVariable+"; default in your configuration directory)")
	return cmd
}

func openWallet(cmd *cobra.Command) (*wallet.Wallet, error) {
	dir, err := walletDir(cmd)
	if err != nil {
		return nil, err
	}
	log := telemetry.NewLogger(cmd.ErrOrStderr(), slog.LevelError)
	return wallet.Open(wallet.Config{Dir: dir, Logger: log})
}

func walletDir(cmd *cobra.Command) (string, error) {
	dir, err := cmd.Flags().GetString("dir")
	if err != nil || dir != "" {
		return dir, err
	}
	if dir = os.Getenv(walletVariable); dir != "" {
		return dir, nil
	}
	home, err := os.UserConfigDir()
	if err != nil {
		return "", withHint(fmt.Errorf("where is the wallet? %w", err), "give --dir, or set %s", walletVariable)
	}
	return filepath.Join(home, "milagro", "wallet"), nil
}
