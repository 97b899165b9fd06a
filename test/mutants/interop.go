package main

var interopMutants = []mutant{
	{"fetches no channel key ahead", "R45", "wallet/renew.go", "if p == identity.Decrypt || !current.LastQuarter(now) {", "if p == identity.Decrypt || p == identity.Channel {", "test/interop", "TestAuthoritiesCutOff"},
	{"gives up a key with its epoch", "R45", "wallet/source.go", "if s.credential != nil && s.credential.Domain.Schedule.Accepts(s.credential.Epoch, now) == nil {", "if c := s.credential; c != nil && c.Epoch == c.Domain.Schedule.Current(now) {", "test/interop", "TestAuthoritiesCutOff"},
	{"keeps the key that it began with", "R45", "wallet/source.go", "if since := clock.Sub(s.looked); since < 0 || since >= s.interval(now) {", "if s.credential == nil {", "test/interop", "TestLibraryServicesCrossEpochs"},
}
