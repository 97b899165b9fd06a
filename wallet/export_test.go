package wallet

import (
	"testing"

	"milagro.dev/identity"
	"milagro.dev/mpin"
)

// CheapPINs makes w stretch new PINs as cheaply as is allowed: tests log in often.
func CheapPINs(w *Wallet) { w.params = mpin.Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// OnDisk has step told of each change of w's files before it happens.
func OnDisk(w *Wallet, step func(operation string) error) { w.disk.step = step }

// SetVia changes in the record of a login how it reaches its server.
func SetVia(t testing.TB, w *Wallet, n identity.Name, service string, v Via) {
	t.Helper()
	a := must(w.account(n, service))(t)
	a.record.As, a.record.To, a.record.Address = v.As.String(), v.To.String(), v.Address
	check(t, w.writeLogin(a))
}
