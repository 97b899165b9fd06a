package proxy

import (
	"errors"
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// networkABI is the first version of landlock that knows TCP ports.
const networkABI = 4

// Harden gives up for the whole process and for good what it does not need: new
// privileges through exec, and everything but the sandbox, as far as the kernel knows
// landlock. It returns what was done in words, for the log.
func Harden(s Sandbox) (applied []string, err error) {
	if err := ll.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("no new privileges: %w", err)
	}
	applied = []string{"no new privileges"}
	abi, err := ll.LandlockGetABIVersion()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return append(applied, "no landlock in this kernel"), nil
	}
	if err != nil {
		return applied, fmt.Errorf("landlock: %w", err)
	}
	if err := s.restrict(); err != nil {
		return applied, fmt.Errorf("landlock: %w", err)
	}
	applied = append(applied, fmt.Sprintf("landlock %d: files", abi))
	if abi >= networkABI {
		applied = append(applied, "ports to listen on")
		if s.Connect != nil {
			applied = append(applied, "ports to connect to")
		}
	}
	return applied, nil
}

func (s Sandbox) restrict() error {
	rules := []landlock.Rule{landlock.RWDirs(s.Writable...).WithResolveUnix()}
	for _, path := range s.Readable {
		info, err := os.Stat(path)
		switch {
		case err != nil: // it is not there, or not for us
		case info.IsDir():
			rules = append(rules, landlock.RODirs(path).IgnoreIfMissing())
		default:
			rules = append(rules, landlock.ROFiles(path).IgnoreIfMissing())
		}
	}
	rules = append(rules, landlock.RWFiles("/dev/null").IgnoreIfMissing())
	if err := landlock.V9.BestEffort().RestrictPaths(rules...); err != nil {
		return err
	}
	access := landlock.AccessNetSet(ll.AccessNetBindTCP)
	var ports []landlock.Rule
	for _, p := range s.Bind {
		ports = append(ports, landlock.BindTCP(p))
	}
	if s.Connect != nil {
		access |= ll.AccessNetConnectTCP
		for _, p := range s.Connect {
			ports = append(ports, landlock.ConnectTCP(p))
		}
	}
	return landlock.MustConfig(access).BestEffort().RestrictNet(ports...)
}
