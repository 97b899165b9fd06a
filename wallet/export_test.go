package wallet

import "milagro.dev/mpin"

// CheapPINs makes w stretch new PINs as cheaply as is allowed: tests log in often.
func CheapPINs(w *Wallet) { w.params = mpin.Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// OnDisk has step told of each change of w's files before it happens.
func OnDisk(w *Wallet, step func(operation string) error) { w.disk.step = step }
