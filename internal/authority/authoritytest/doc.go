// Package authoritytest makes whole trust domains for tests and benchmarks: real
// authorities with real databases, speaking HTTP over loopback, whose master was made
// by a real ceremony. Nothing in it is a mock.
//
//	domain := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3})
//	codes := domain.Codes(t, name, identity.Channel)
//
// AddService gives it a login service, whose codes are those of purpose mpin, and
// ApproveLogin lets the service's login server fetch its key.
package authoritytest
