//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package wallet

import "os"

// tryLock locks nothing: on this system only one process may use a wallet.
func tryLock(*os.File) (bool, error) { return true, nil }
