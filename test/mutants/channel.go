package main

import "slices"

// wholeChannelMutants are those of the channel, from leaf to open connection.
var wholeChannelMutants = slices.Concat(channelMutants, coldMutants, watchMutants, revocationMutants)

// hostMutants are those of what runs on a host beside its programs.
var hostMutants = slices.Concat(tokensMutants, enrolmentMutants, agentMutants, proxyMutants, sidecarMutants, bridgeMutants, interopMutants)

var channelMutants = []mutant{
	{"does not verify the binding's signature", "R36", "idtls/cold.go", "batch[0].err = ibs.Verify(master, statements[0], signatures[0])", "batch[0].err = nil", "idtls", "TestEachCheckAlone"},
	{"remembers bad signatures as good", "R36", "idtls/proved.go", "\t\tif j.err != nil {", "\t\tif p.signatures.add(j.key); j.err != nil {", "idtls", "TestOnlyGoodSignaturesAreRemembered"},
	{"lets a leaf show another name", "R36", "idtls/verify.go", "func (c *connection) checkName() error { return checkName(c.leaf, c.binding.name) }", "func (c *connection) checkName() error { return nil }", "idtls", "TestEachCheckAlone"},
	{"takes a binding of any epoch", "R53", "idtls/verify.go", "if err := d.Schedule.Accepts(e, now); err != nil {", "if err := error(nil); err != nil {", "idtls", "TestEachCheckAlone"},
	{"takes a binding of another domain", "R36", "idtls/federation.go", "if own.ID == id {", "if true {", "idtls", "TestEachCheckAlone"},
	{"takes a client's binding from a server", "R36", "idtls/verify.go", "if c.binding.usage&c.role == 0 {", "if false {", "idtls", "TestEachCheckAlone"},
	{"takes two bindings in one leaf", "R36", "idtls/verify.go", "if found != 1 {", "if found < 1 {", "idtls", "TestTwoBindingsAreRefused"},
	{"forgets the authorizer", "R36", "idtls/verify.go", "func (c *connection) checkAuthorizer() error { return c.authorize(c.binding.peer()) }", "func (c *connection) checkAuthorizer() error { return nil }", "idtls", "TestEachCheckAlone"},
	{"names a peer before the handshake is complete", "R36", "idtls/verify.go", "if !state.HandshakeComplete {", "if false {", "idtls", "TestPeerOfKnowsOnlyWhatWasAccepted"},
}
