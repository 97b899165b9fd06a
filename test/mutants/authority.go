package main

import "slices"

var authorityMutants = slices.Concat(issuanceMutants, agreementMutants, restMutants, walletMutants)

var issuanceMutants = []mutant{
	{"consumes a one-time code twice", "R16", "internal/authority/state_codes.go", "WHERE hash = ? AND NOT used AND expires > ?", "WHERE hash = ? AND expires > ?", "internal/authority", "TestConsumingACodeTrustsNoEarlierLook"},
	{"consumes a code that was made for another name", "R16", "internal/authority/state_codes.go", "AND expires > ? AND name = ? AND purpose = ? AND service = ?`,", "AND expires > ? AND ? <> '' AND purpose = ? AND service = ?`,", "internal/authority", "TestConsumingACodeTrustsNoEarlierLook"},
	{"takes the code of another authority", "R16", "internal/authority/issuer.go", "case code.Index() != domain.self.Index:", "case false:", "internal/authority", "TestRequestForOneAuthorityIsNothingAtAnother"},
	{"takes everybody for enrolled", "R16", "internal/authority/state_issue.go", "st.since = time.UnixMicro(since)", "st.since, st.enrolled = time.UnixMicro(since), true", "internal/authority", "TestRenewalWithoutEnrolmentIsRefused"},
	{"issues for the purposes of ceremonies", "R17", "internal/authority/issuer.go", "if !issued[c.Key.Purpose] || !scheduled && c.Key.Purpose != identity.MPin {", "if !scheduled && false {", "internal/authority", "TestCeremonyPurposesAreNeverIssued"},
	{"issues shares as those of another generation", "R14", "internal/authority/issuer.go", "\tif c.Generation != generation {", "\tif c.Generation != generation && false {", "internal/authority", "TestRefusalsSayWhy"},
	{"issues keys to names of other domains", "R22", "internal/authority/issuer.go", "if c.Key.Name.Domain() != document.Domain() { // 9", "if false {", "internal/authority", "TestRefusalsSayWhy"},
	{"takes a request twice as late", "R22", "internal/authority/issuer.go", "envelope.Time+identity.MaxSkew < at", "envelope.Time+2*identity.MaxSkew < at", "internal/authority", "TestRefusalsSayWhy"},
	{"takes a request from the future", "R22", "internal/authority/issuer.go", " || envelope.Time > at+identity.MaxSkew {", " {", "internal/authority", "TestRefusalsSayWhy"},
	{"answers the same request anew", "R22", "internal/authority/state_issue.go", "WHERE request = ? AND made >= ?", "WHERE request = ? AND made < ?", "internal/authority", "TestReplayedRequestGetsTheSameBytes"},
	{"forgets an answer after a minute", "R22", "internal/authority/state.go", "const replyLife = 24 * time.Hour", "const replyLife = time.Minute", "internal/authority", "TestReplayedRequestGetsTheSameBytes"},
	{"issues decrypt keys from before the enrolment", "R22", "internal/authority/issuer.go", "case c.Key.Purpose == identity.Decrypt && c.Key.Epoch.End() <= unixSeconds(st.since):", "case false:", "internal/authority", "TestDecryptKeysReachBackToTheEnrolment"},
	{"issues the key of any epoch", "R53", "internal/authority/issuer.go", "if err := schedule.Issuable(c.Key.Epoch, c.Key.Purpose, unixSeconds(c.now)); err != nil {", "if err := error(nil); err != nil {", "internal/authority", "TestNextEpochIsIssuedInTheLastQuarter"},
	{"sends a share that is in no log", "R21", "internal/authority/state_issue.go", "return i.append(ctx, tx)", "return nil", "internal/authority", "TestReplayedRequestGetsTheSameBytes"},
	{"overlooks that a device is revoked", "R23", "internal/authority/state_issue.go", "SELECT enrolled, revoked FROM enrolments", "SELECT enrolled, FALSE FROM enrolments", "internal/authority", "TestRevokedDeviceGetsNoShare"},
	{"leaves the codes of a revoked name", "R23", "internal/authority/state_codes.go", `"DELETE FROM codes WHERE name = ? AND NOT used"`, `"DELETE FROM codes WHERE name = ? AND used"`, "internal/authority", "TestRevokedCodesAreUnknown"},
	{"registers names of other domains", "R16", "internal/authority/codes.go", "if name.Domain() != domain.Document.Domain() {", "if false {", "internal/authority", "TestRegisterTakesAllOrNothing"},
	{"enrols under a document that is not fresh", "R50", "internal/authority/issuer.go", "if err := domain.Fresh(unixSeconds(c.now)); err != nil {", "if err := error(nil); err != nil {", "internal/authority", "TestStatusSaysThatTheStampIsOld"},
	{"counts one stranger too few", "R24", "internal/authority/rates.go", "WHERE rates.count < ? RETURNING", "WHERE rates.count <= ? RETURNING", "internal/authority", "TestStrangersAreCountedExactly"},
	{"gives every address of a network its own count", "R24", "internal/authority/rates.go", "from.Prefix(64)", "from.Prefix(128)", "internal/authority", "TestStrangersAreCountedByNetwork"},
	{"issues while the clock is behind the log", "R46", "internal/authority/state_issue.go", "behind > identity.MaxSkew*time.Second {", "behind > identity.MaxSkew*time.Hour {", "internal/authority", "TestReadinessSaysWhatIsMissing"},
}

var agreementMutants = []mutant{
	{"approves two documents of one revision", "R50", "internal/authority/state_document.go", "if highest != revision || string(approved) != string(hash[:]) {", "if highest != revision {", "internal/authority", "TestEquivocationAt2Of3GetsNoSecondDocument"},
	{"gives a share of a document without a quorum", "R50", "internal/authority/document.go", "if err := dta.VerifyApprovals(voters, document, approvals); err != nil {", "if err := dta.VerifyApprovals(voters, document, approvals); err != nil && false {", "internal/authority", "TestShareNeedsAQuorumOfTheAuthoritiesThatAre"},
	{"lets new authorities approve themselves", "R50", "internal/authority/document.go", "voters = current.Document.Authorities()", "voters = document.Authorities()", "internal/authority", "TestShareNeedsAQuorumOfTheAuthoritiesThatAre"},
	{"stamps below a document that it signed", "R50", "internal/authority/document.go", "if above {", "if above && false {", "internal/authority", "TestStampOnlyForTheHighestDocument"},
	{"makes a second master", "R10", "internal/authority/ceremony.go", "if plan.Kind() == dkg.Public && m.plan.Kind() == dkg.Public && m.plan.Hash() != plan.Hash() {", "if false {", "internal/authority", "TestNoSecondMaster"},
	{"confirms a share that is on no disk", "R11", "internal/authority/ceremony.go", "if err := c.saveOnce(result.Share); err != nil {", "if err := error(nil); err != nil {", "internal/authority", "TestCrashAfterConfirmLosesNothing"},
	{"confirms after it aborted", "R54", "internal/authority/state_ceremony.go", "ON CONFLICT (id) DO NOTHING`, o.id[:]", "ON CONFLICT (id) DO UPDATE SET choice = excluded.choice, message = excluded.message, generation = excluded.generation`, o.id[:]", "internal/authority", "TestConfirmAndAbortExcludeEachOther"},
	{"gives up a confirmed share on anybody's word", "R10", "internal/authority/certificate.go", "if err := dkg.VerifyAborts(p.plan, id, aborts); err != nil {", "if err := dkg.VerifyAborts(p.plan, id, aborts); err != nil && false {", "internal/authority", "TestLastConfirmationCannotSplitACeremony"},
	{"passes a trial with any shares", "R15", "internal/authority/certificate.go", "if err := certificate.VerifyTrial(tests); err != nil {", "if err := certificate.VerifyTrial(tests); err != nil && false {", "internal/authority", "TestBadPointsAreRefused"},
	{"gives a run up because an authority is silent", "R10", "internal/ceremony/ceremony.go", "if !onlyLost(missing) {", "if false {", "internal/ceremony", "TestSilenceIsNoReasonToGiveUp"},
	{"does not begin a lost run anew", "R11", "internal/ceremony/ceremony.go", "try < begins && lost(err)", "try < begins && false", "internal/ceremony", "TestRunBeginsAnewWhenAnAuthorityLostIt"},
	{"convicts whoever is accused", "R9", "internal/ceremony/errors.go", "if unproved != nil {", "if verdict = (&dkg.Verdict{}); false {", "internal/ceremony", "TestAFalseAccusationConvictsNobody"},
}

var restMutants = []mutant{
	{"opens a secret that was sealed for something else", "R37", "internal/custody/custody.go", "if sealedFor != purpose {", "if false {", "internal/custody", "TestOpenRefusesASecretOfAnotherPurpose"},
	{"overwrites a secret", "R37", "internal/custody/file.go", "os.Link(temp.Name(), path)", "os.Rename(temp.Name(), path)", "internal/custody", "TestSecretFilesAreNeverOverwritten"},
	{"reads a secret that others may read", "R37", "internal/custody/file.go", "perm&0o077 != 0 {", "perm&0o077 != 0 && false {", "internal/custody", "TestReadSecretFileRefusesWidePermissions"},
	{"dumps the memory of a crash", "R38", "internal/custody/harden_linux.go", "unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})", "error(nil)", "internal/custody", "TestHardenedProcessDumpsNothing"},
	{"opens the operator's socket to all", "R42", "internal/authority/authority.go", "os.Chmod(path, 0o600)", "os.Chmod(path, 0o666)", "internal/authority", "TestSocketIsTheOwnersAlone"},
	{"answers with the text of an inner error", "R39", "internal/problem/problem.go", `return New(Internal, "")`, `return New(Internal, "%s", err)`, "internal/problem", "TestInnerErrorsStayInside"},
	{"logs a group of secrets", "R39", "internal/telemetry/log.go", "secret: h.secret || secretKey(name)}", "secret: h.secret}", "internal/telemetry", "TestLogsCarryNoSecret"},
	{"prints a private key", "R39", "keys/private.go", `func (p Private) String() string { return "private key [redacted]" }`, `func (p Private) String() string { return fmt.Sprintf("%x", p.Expose()) }`, "keys", "TestSecretsDoNotPrint"},
	{"gives an M-Pin master a way to G2", "R5", "keys/master.go", "func (m PinMaster) Point() pairing.G1 { return m.point }", "func (m PinMaster) Point() pairing.G1 { return m.point }\n\nfunc (m PinMaster) Public() pairing.G2 { return pairing.G2{} }", "keys", "TestPinMasterHasNoWayToG2"},
	{"does not wait for the disk", "R21", "internal/store/sqlite.go", "synchronous(FULL)", "synchronous(NORMAL)", "internal/store", "TestEveryConnectionIsDurableAndChecksReferences"},
	{"commits half a transaction", "R21", "internal/store/tx.go", "if gone(tx.Rollback()) {", "if gone(tx.Commit()) {", "internal/store", "TestFunctionsErrorRollsBackAndComesBack"},
	{"takes a body of any size", "R41", "internal/webserver/webserver.go", "http.MaxBytesHandler(cfg.Handler, MaxBody)", "cfg.Handler", "internal/webserver", "TestChunkedBodyIsLimitedToo"},
	{"waits for a body for ever", "R41", "internal/webserver/webserver.go", "either(cfg.RequestTimeout, 20*time.Second)", "cfg.RequestTimeout", "internal/webserver", "TestEverythingIsBoundByDefault"},
	{"decodes a body of any size", "R41", "internal/problem/request.go", "io.ReadAll(http.MaxBytesReader(w, r.Body, limit))", "io.ReadAll(r.Body)", "internal/problem", "TestDecodeClosesTheConnectionOfAHugeBody"},
	{"takes a member that is given twice", "R22", "internal/problem/request.go", "if seen[folded] {", "if false {", "internal/problem", "TestDecodeRefusesEachFault"},
}

var walletMutants = []mutant{
	{"stores a key that the master did not issue", "R20", "wallet/key.go", "if err := s.verify(d.tls.Master); err != nil {", "if err := error(nil); err != nil {", "wallet", "TestAKeyThatTheMasterDidNotIssueIsNotStored"},
	{"waits for a silent authority", "R45", "dta/apply.go", "time.AfterFunc(a.patience(), cancel)", "time.AfterFunc(1000*a.patience(), cancel)", "wallet", "TestASilentAuthorityIsNamedInTime"},
	{"keeps no evidence of a false share", "R20", "dta/apply.go", "if errors.Is(err, keys.ErrShare) {", "if false {", "dta", "TestApplyNamesALyingAuthority"},
	{"goes back to an older document", "R50", "wallet/domain.go", "case is < was:", "case false:", "wallet", "TestPinRefusesALowerRevision"},
	{"overlooks two documents of one revision", "R50", "wallet/domain.go", "return false, w.conflict(old, next)", "return false, nil", "wallet", "TestAnotherDocumentAtOneRevisionIsKeptAsEvidence"},
	{"pins a stale document", "R50", "wallet/domain.go", "if err := p.Fresh(w.now()); err != nil {", "if err := error(nil); err != nil {", "wallet", "TestPinRefusesAStaleDocument"},
	{"does not write the highest epoch down", "R53", "wallet/watermark.go", "if stored.Highest().Start >= e.Start {", "if stored.Highest().Start < e.Start {", "wallet", "TestHighestEpochSurvivesARestart"},
	{"shows a code to another authority", "R16", "wallet/enrol.go", "if code.Index() != index {", "if false {", "wallet", "TestEnrolRefusesBeforeAnythingIsSent"},
}
