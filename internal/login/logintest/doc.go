// Package logintest makes login servers and people for tests and benchmarks: real
// servers with real databases, over loopback, for a real domain of package
// authoritytest. Nothing in it is a mock.
//
//	server := logintest.New(t, logintest.Config{Domain: domain, Published: domain.Published})
//	alice := server.Person(t, "acct:alice@example.org", "472916")
//	answer, err := alice.Login(ctx, "472916", mpin.Intent{})
package logintest
