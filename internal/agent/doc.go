// Package agent keeps the wallet of a host fresh for ever: one process for many
// names, of 'milagro agent' (doc/agent.md).
//
// For each name it enrols what is not enrolled yet, with one-time codes or tokens
// that it reads anew at each try, and renews channel keys, decrypt keys and permits
// ahead of their epochs (wallet.Keep). A name that it can do nothing for holds up no
// other, and whatever went wrong it tries again, so that nobody has to restart it: an
// authority that is down, a disk that is full, a clock that was set, a token that is
// not there yet.
//
//	a, err := agent.New(agent.Config{Dir: dir, Plan: plan, Logger: log})
//	err = a.Run(ctx, listener) // until ctx ends
//
// It holds no secret: the wallet does. Who reads its metrics and its readiness
// learns the names on this host and how long their keys last.
package agent
