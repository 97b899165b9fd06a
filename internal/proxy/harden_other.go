//go:build !linux

package proxy

// Harden does nothing where there is no landlock, and says so.
func Harden(Sandbox) (applied []string, err error) { return []string{"nothing on this system"}, nil }
