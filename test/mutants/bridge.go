package main

var bridgeMutants = []mutant{
	{"gives every caller every name", "R36", "internal/bridge/bridge.go", "return w.kind == ofUser && w.id == c.uid || w.kind == ofGroup && w.id == c.gid", "return w.kind != nobody", "internal/bridge", "TestAnotherUserGetsNothing"},
	{"takes a group for a user", "R36", "internal/bridge/bridge.go", "return w.kind == ofUser && w.id == c.uid || w.kind == ofGroup && w.id == c.gid", "return w.id == c.uid", "internal/bridge", "TestWorkloadsAreKnownByKindAndNumber"},
	{"opens the workload socket to all", "R36", "internal/bridge/socket.go", "mode := os.FileMode(0o600)", "mode := os.FileMode(0o666)", "internal/bridge", "TestTheSocketsModeFollowsTheEntries"},
	{"takes a live sidecar's socket", "R36", "internal/bridge/socket.go", "\tif err == nil {\n\t\treturn errors.Join(errors.New(\"another process", "\tif false {\n\t\treturn errors.Join(errors.New(\"another process", "internal/bridge", "TestALiveSocketIsNotTaken"},
	{"needs no header of a workload", "R36", "internal/bridge/serve.go", "[]string{\"true\"}) {", "[]string{\"true\"}) && false {", "internal/bridge", "TestTheHeaderIsMandatory"},
	{"lets an SVID outlive the identity key", "R23", "internal/bridge/holding.go", "end.After(last) {", "false {", "internal/bridge", "TestAnSVIDDoesNotOutliveTheEpoch"},
	{"gives an SVID when the epoch is over", "R23", "internal/bridge/holding.go", "if now >= c.Epoch.End() {", "if false {", "internal/bridge", "TestWithoutACredentialNothingIsGivenUntilThereIsOneAgain"},
	{"gives an SVID of a denied name", "R23", "internal/bridge/holding.go", "if c.Domain.Revoked != nil && c.Domain.Revoked(own) {", "if c.Domain.Revoked != nil && false && c.Domain.Revoked(own) {", "internal/bridge", "TestWithoutACredentialNothingIsGivenUntilThereIsOneAgain"},
	{"gives an SVID of another name than the key's", "R36", "internal/bridge/holding.go", "if err == nil && c.Name != name {", "if false {", "internal/bridge", "TestWithoutACredentialNothingIsGivenUntilThereIsOneAgain"},
	{"welcomes any program of its own bundle", "R36", "internal/bridge/hop.go", "i := slices.IndexFunc(h.welcome, func(n identity.Name) bool { return n.String() == id.String() })", "i := 0", "internal/bridge", "TestTheHopWantsTheExactName"},
	{"forgets the key behind a program's name", "R23", "internal/bridge/hop.go", "return h.bridge.holdsNow(h.welcome[i])", "return nil", "internal/bridge", "TestTheHopEndsWithTheCredential"},
	{"takes an SVID for ever", "R23", "internal/bridge/hop.go", "over > 0 && over <= grace {", "over > 0 {", "internal/bridge", "TestTheHopOutlastsATurnOfTheEpoch"},
	{"does not confine its authority to a domain", "R36", "internal/bridge/authority.go", "PermittedURIDomains:         []string{domain},", "PermittedURIDomains:         []string{domain, \"example.net\"},", "internal/bridge", "TestTheAuthorityIsConfined"},
	{"vouches for web sites", "R36", "internal/bridge/authority.go", "ExcludedDNSDomains:          []string{\"\"},", "", "internal/bridge", "TestTheAuthorityIsConfined"},
	{"signs with an authority that nobody knows yet", "R45", "internal/bridge/authority.go", "newIssuer(a.domain, now, now.Add(signsAfter))", "newIssuer(a.domain, now, now)", "internal/bridge", "TestAuthoritiesOverlap"},
	{"lets one user take all connections", "R41", "internal/bridge/kernel.go", "|| k.open[uid] >= maxConnectionsOfAUser {", "{", "internal/bridge", "TestConnectionsOfOneUserAreBound"},
	{"forgets that a connection has left", "R41", "internal/bridge/kernel.go", "\tdefer c.leave()\n", "", "internal/bridge", "TestAConnectionTooManyIsCut"},
	{"writes a key that all can read", "R36", "internal/bridge/files.go", "mode = 0o600", "mode = 0o644", "internal/bridge", "TestTheFilesBelongTogether"},
	{"replaces a file that is not its own", "R45", "internal/bridge/files.go", "if target, err := os.Readlink(path); err != nil || target", "if target, err := os.Readlink(path); err == nil && target", "internal/bridge", "TestAnUnfinishedWriteChangesNothing"},
}
