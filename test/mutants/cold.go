package main

var coldMutants = []mutant{
	{"verifies each peer by itself", "R47", "idtls/cold.go", "n := min(part, l.limit(), len(l.jobs))", "n := min(1, part, l.limit(), len(l.jobs))", "idtls", "TestPeersThatWaitAreVerifiedTogether"},
	{"takes a whole batch for good", "R36", "idtls/cold.go", "\t\tbad[i] = true", "\t\tbad[i] = false", "idtls", "TestPeersThatWaitAreVerifiedTogether"},
	{"verifies the same binding many times", "R41", "idtls/cold.go", "\t\tc.known[j.key] = j\n", "", "idtls", "TestTwinsAreVerifiedOnce"},
	{"lets any number wait for a pairing", "R41", "idtls/cold.go", "if j.lane.waiting >= maxWaiting {", "if false {", "idtls", "TestWhoeverFindsTheLaneFullIsRefusedAsBusy"},
	{"forgets to leave the lane", "R41", "idtls/cold.go", "\tj.lane.waiting--", "\tj.lane.waiting += 0", "idtls", "TestTwinsAreVerifiedOnce"},
	{"lets forgers wait among familiar peers", "R41", "idtls/proved.go", "if p.familiar.has(who) {", "if true {", "idtls", "TestForgersDoNotSpoilTheBatchesOfFamiliarPeers"},
	{"keeps an abused familiarity", "R41", "idtls/proved.go", "\t\t\tp.familiar.drop(j.who)\n", "", "idtls", "TestAbusedFamiliarityEnds"},
	{"keeps batches whole in a flood", "R41", "idtls/cold.go", "limit = min(l.limit(), max(1, n/(2*bad)))", "limit = l.limit()", "idtls", "TestBadSignaturesCostNoMoreThanSingly"},
	{"never grows batches again", "R47", "idtls/cold.go", "limit := min(l.limit()+n, ibs.MaxBatch)", "limit := l.limit()", "idtls", "TestBadSignaturesCostNoMoreThanSingly"},
	{"accepts critical extensions that nobody knows", "R36", "idtls/leaf.go", "if !must && e.Critical {", "if false {", "idtls", "TestLeafVectors"},
	{"accepts a name that is not critical", "R36", "idtls/leaf.go", "if must && !e.Critical {", "if false {", "idtls", "TestLeafVectors"},
	{"accepts a subject beside the name", "R36", "idtls/leaf.go", "case !bytes.Equal(leaf.RawSubject, emptySequence) || !bytes.Equal(leaf.RawIssuer, emptySequence):", "case len(emptySequence) == 0:", "idtls", "TestTwoHundredBadCertificates"},
	{"accepts bytes after a binding", "R36", "idtls/binding.go", "len(raw) != want {", "len(raw) < want {", "idtls", "TestTwoHundredBadCertificates"},
	{"resumes with a leaf that would be refused", "R36", "idtls/tickets.go", "verify(state) != nil {", "verify(state) != nil && false {", "idtls", "TestDeclinedTicketBecomesAFullHandshake"},
	{"takes another master's lines for its own", "R36", "internal/pairing/pair.go", "return Pair{p: &p.p, q: &q.p, lines: q.lines}", "return Pair{p: &p.p, q: &q.p, lines: generatorLines()}", "ibs", "TestPreparedMasterVerifiesAlike"},
}
