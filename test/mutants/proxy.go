package main

var proxyMutants = []mutant{
	{"lets peers in whom the route does not allow", "R36", "internal/proxy/route.go", "authorize: idtls.Matching(patterns...)", "authorize: func(idtls.Peer) error { return nil }", "internal/proxy", "TestPeersWhoAreNotAllowedGetABareAlert"},
	{"passes a peer's header on to the program", "R36", "internal/proxy/exchange.go", "w.header.strip(r.Out.Header)", "", "internal/proxy", "TestPeerHeadersFromOutsideAreStripped"},
	{"takes Milagro_Peer for another header", "R36", "internal/proxy/exchange.go", "return '-'", "return r", "internal/proxy", "TestPeerHeadersFromOutsideAreStripped"},
	{"lets a connection that was cut look ended", "R36", "internal/proxy/copy.go", "errors.Is(err, io.EOF) {\n\t\t\treturn io.ErrUnexpectedEOF", "errors.Is(err, io.EOF) {\n\t\t\treturn nil", "internal/proxy", "TestBrokenConnectionsAreResetNotEnded"},
	{"keeps connections with who is no longer welcome", "R23", "internal/proxy/reload.go", "port.expel(r.authorize)", "", "internal/proxy", "TestReloadClosesWhoIsNoLongerWelcome"},
	{"does not end connections with revoked peers", "R23", "internal/proxy/session.go", "closer(func() { s.end(outcomeEnded) })", "closer(func() {})", "internal/proxy", "TestConnectionsEndWithTheRightOfTheirPeer"},
	{"starts half of a plan that cannot be followed", "R41", "internal/proxy/reload.go", `return nil, opened, fmt.Errorf("route %s: %w", settings.Name, err)`, "_ = fmt.Sprint()\n\t\t\tcontinue", "internal/proxy", "TestABadReloadChangesNothing"},
	{"lets silent connections keep others out", "R41", "internal/proxy/gate.go", "reset(w.conn)", "", "internal/proxy", "TestSilentConnectionsKeepNobodyOut"},
	{"counts connections and never refuses one", "R41", "internal/proxy/port.go", "if o.open >= limit {", "if false {", "internal/proxy", "TestConnectionsBeyondTheLimitAreClosedAtOnce"},
	{"tells every peer's name apart in metrics", "R41", "internal/proxy/metrics.go", "case p == nil && len(s.peers) < maxPeers:", "case p == nil && true:", "internal/proxy", "TestPeersInMetricsAreBounded"},
	{"lets the network speak as the name", "R42", "internal/proxy/check.go", "case r.Mode == Client && !r.Listen.Local() && !r.AllowRemote:", "case false:", "internal/proxy", "TestBadSettingsAreRefusedWithTheirLine"},
	{"sends what it carries in clear over the network", "R42", "internal/proxy/check.go", "case r.Mode == Server && !r.Target.Local() && !r.UnsafeTarget:", "case false:", "internal/proxy", "TestBadSettingsAreRefusedWithTheirLine"},
	{"leaves a socket's permissions as they are", "R42", "internal/proxy/listen.go", "return os.Chmod(path, os.FileMode(mode))", "_ = os.FileMode(mode); return nil", "internal/proxy", "TestSocketsAreForTheirOwnerAlone"},
	{"is ready without a key", "R45", "internal/proxy/keys.go", "if states[n].condition == keyGone {", "if false {", "internal/proxy", "TestReadinessFollowsTheKey"},
	{"does not say that a key should have been renewed", "R45", "internal/proxy/keys.go", "err != nil || !ahead {", "err != nil && !ahead {", "internal/proxy", "TestConditionOfAKeyFollowsItsEpoch"},
	{"cuts connections at once when it is told to end", "R46", "internal/proxy/proxy.go", "port.end(drain)", "port.end(0)", "internal/proxy", "TestDrainLetsConnectionsEnd"},
}
