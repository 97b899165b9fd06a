package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/agent"
)

// unit is what a unit file sets: the values by section and name, in order.
type unit map[string][]string

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.Lines(readPage(t, path)) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case ok:
			u[section+"."+key] = append(u[section+"."+key], value)
		default:
			t.Errorf("%s: %q is no setting", path, line)
		}
	}
	return u
}

func units(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil || len(paths) != 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	return paths
}

func TestUnitsStartCommandsThatExist(t *testing.T) {
	for _, path := range units(t) {
		start := readUnit(t, path)["Service.ExecStart"]
		if len(start) != 1 {
			t.Fatalf("%s: %q", path, start)
		}
		words := strings.Fields(start[0])
		cmd, args, err := newRoot().Find(words[1:])
		if err == nil {
			err = cmd.ParseFlags(args)
		}
		if err != nil || words[0] != "/usr/bin/milagro" || cmd.Flags().NArg() > 0 || !strings.HasPrefix(filepath.Base(path), "milagro-"+cmd.Name()+".") {
			t.Errorf("%s: %q: %v", path, start, err)
		}
		if f := cmd.Flag("config"); f == nil || f.Value.String() != "/etc/milagro/"+cmd.Name()+".toml" {
			t.Errorf("%s: %q does not read /etc/milagro/%s.toml", path, start, cmd.Name())
		}
	}
}

func TestUnitsAreConfined(t *testing.T) {
	for _, path := range units(t) {
		u := readUnit(t, path)
		for key, want := range map[string]string{
			"Type": "notify", "ExecReload": "/bin/kill -HUP $MAINPID", "Restart": "always", "WatchdogSec": "60s", "User": "milagro",
			"StateDirectory": "milagro", "StateDirectoryMode": "0700", "Environment": walletVariable + "=%S/milagro/wallet",
			"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
			"MemoryDenyWriteExecute": "yes", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces": "yes", "LimitCORE": "0", "UMask": "0077",
		} {
			if got := u["Service."+key]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s=%q, want %q", path, key, got, want)
			}
		}
		if filter := u["Service.SystemCallFilter"]; !slices.Contains(filter, "@system-service") {
			t.Errorf("%s: SystemCallFilter=%q", path, filter)
		}
	}
}

// TestSystemdTakesTheUnits has systemd itself read them, where it is.
func TestSystemdTakesTheUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("THE UNITS ARE NOT VERIFIED: there is no systemd-analyze here (Debian: systemd)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no", "--recursive-errors=no"}
	for _, path := range units(t) {
		copied := filepath.Join(dir, filepath.Base(path))
		text := strings.Replace(readPage(t, path), "/usr/bin/milagro", self, 1)
		if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, copied)
	}
	// It says of many a mistake that it ignores it, and exits with 0.
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestSampleOfAgentSettingsIsGood(t *testing.T) {
	const path = "../../deploy/systemd/agent.toml"
	var s agent.Settings
	if err := s.Load(path); err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan(path, agent.Sources{Codes: codesOfFiles, Command: tokensBy})
	if err != nil || len(plan.Names) != 2 || len(plan.Domains) != 1 {
		t.Errorf("%+v, %v", plan, err)
	}
}
