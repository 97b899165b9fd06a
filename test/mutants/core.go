package main

import "slices"

// mutants are all breaks. Each guards the requirement beside it
// (doc/requirements.md).
var mutants = slices.Concat(coreMutants, ceremonyMutants, messageMutants, authorityMutants, loginMutants, openidMutants, benchMutants, signinMutants, pagesMutants, wholeChannelMutants, hostMutants, sdkMutants)

var coreMutants = []mutant{
	{"takes a G1 point outside the subgroup", "R1", "internal/pairing/backend_blst.go", "if !a.InG1() {", "if false {", "internal/pairing", "TestGroupsVectors"},
	{"takes a G2 point outside the subgroup", "R1", "internal/pairing/backend_blst.go", "if !a.InG2() {", "if false {", "internal/pairing", "TestGroupsVectors"},
	{"takes a coordinate that is not below p", "R1", "internal/pairing/decode.go", "if bytes.Compare(x, ff.FpOrder()) >= 0 {", "if bytes.Compare(x, ff.FpOrder()) >= 0 && false {", "internal/pairing", "TestParsePointsRefuses"},
	{"takes the identity for a point", "R1", "internal/pairing/decode.go", "if b[0]&flagIdentity != 0 {", "if false {", "internal/pairing", "TestParsePointsRefuses"},
	{"takes a scalar that is not below r", "R2", "internal/pairing/scalar.go", "if !same(encode(&v), b) {", "if !same(encode(&v), b) && false {", "internal/pairing", "TestParseScalarRefuses"},
	{"hashes two purposes with one DST", "R3", "identity/key.go", `freshDST    = dstPrefix + "FRESH" + dstSuffix`, "freshDST    = documentDST", "identity", "TestPurposesNeverShareAPoint"},
	{"leaves the boundaries between parts out", "R3", "internal/encoding/encoding.go", "out = binary.BigEndian.AppendUint32(out, uint32(len(part)))", "", "internal/encoding", "TestMovingABoundaryChangesTheBytes"},
	{"takes bytes after the last part", "R3", "internal/encoding/encoding.go", "if r.err == nil && len(r.rest) > 0 {", "if false {", "internal/encoding", "TestReaderRefuses"},
	{"leaves the device out of the channel point", "R17", "identity/key.go", `encoding.LP("milagro/v1 channel", k.Domain[:], name, k.Device[:], k.Epoch.Bytes())`, `encoding.LP("milagro/v1 channel", k.Domain[:], name, k.Epoch.Bytes())`, "identity", "TestEveryFieldChangesThePoint"},
	{"accepts any epoch", "R53", "identity/epoch.go", "if e.IsZero() || s.Current(e.Start) != e {", "if e.IsZero() {", "identity", "TestScheduleChangeRevivesNothing"},
	{"gives every epoch five minutes of skew", "R53", "identity/epoch.go", "return min(MaxSkew, uint64(e.Length))", "return MaxSkew", "identity", "TestEpochsVectors"},
	{"issues the next epoch at any time", "R53", "identity/epoch.go", "ahead := purpose == Permit || current.LastQuarter(now)", "ahead := true", "identity", "TestNextEpochIsIssuedInTheLastQuarterOnly"},
	{"forgets the highest epoch", "R53", "identity/watermark.go", "if e.End() < w.highest.Start {", "if false {", "identity", "TestWatermarkRefusesWhatEndedBefore"},
	{"combines shares of different generations", "R14", "keys/share.go", "if s.Generation() != shares[0].Generation() {", "if false {", "keys", "TestGenerationsNeverCombine"},
	{"weighs all shares alike", "R20", "keys/share.go", "w := pairing.RandomWeight()", "w := pairing.NewScalar(1)", "keys", "TestLiesThatCancelAreNamed"},
	{"proves a share without its request", "R5", "keys/proof.go", "st.RequestHash[:], pairing.G1Generator().Bytes(), st.Point.Bytes()", "nil, pairing.G1Generator().Bytes(), st.Point.Bytes()", "keys", "TestProofsVectors"},
	{"weighs all signatures of a batch alike", "R20", "ibs/ibs.go", "w := pairing.RandomWeight()", "w := pairing.NewScalar(1)", "ibs", "TestBatchRefusesErrorsThatCancel"},
	{"leaves U out of the challenge", "R3", "ibs/ibs.go", "s.Epoch.Bytes(), u, s.Message)", "s.Epoch.Bytes(), u[:0], s.Message)", "ibs", "TestUCannotBeChosenAfterH"},
	{"takes values off the polynomial", "R9", "internal/vss/commitments.go", "if !at0.Equal(constant) {", "if i == 0 && !at0.Equal(constant) {", "internal/vss", "TestOnePolynomialRefusesEveryOneOffIt"},
}

var ceremonyMutants = []mutant{
	{"allows a threshold of one", "R7", "internal/dkg/plan.go", "case t.Threshold < 2:", "case t.Threshold < 1:", "internal/dkg", "TestPlanRefuses"},
	{"does not warn at t = n", "R7", "internal/dkg/plan.go", "if p.Threshold() == p.Size() {", "if false {", "internal/dkg", "TestPlanWarnsWhenNoneMayBeLost"},
	{"skips the proof of possession", "R8", "internal/dkg/message.go", "return v, v.proof.verify(id, p.Kind(), index, v.commitments)", "return v, nil", "internal/dkg", "TestRushingRogueKeyIsRefusedAndBlamed"},
	{"does not hold the reveal against the commit", "R8", "internal/dkg/party.go", "if !bytes.Equal(commit.envelope.Body, commitBody(p.id, dealer, commitment(p.id, dealer, body))) {", "if false {", "internal/dkg", "TestRushingRogueCannotChangeItsCommit"},
	{"binds the proof to no run", "R8", "internal/dkg/message.go", "encoding.LP(popLabel, id[:], []byte(kind), encoding.U32(index), encoding.List(list...), r.Bytes())", "encoding.LP(popLabel, []byte(kind), encoding.U32(index), encoding.List(list...), r.Bytes())", "internal/dkg", "TestProofOfAnotherPartyRunOrKindIsRefused"},
	{"takes more than t commitments", "R9", "internal/dkg/message.go", "if len(v.commitments) != p.Threshold() {", "if len(v.commitments) < p.Threshold() {", "internal/dkg", "TestCommitmentsNotExactlyTAreBlamed"},
	{"takes a value that does not fit", "R9", "internal/dkg/party.go", "if err == nil && v.commitments.At(p.index).Equal(p.plan.Kind().lift(value)) {", "if err == nil {", "internal/dkg", "TestValueOffThePolynomialIsBlamed"},
	{"convicts on a complaint alone", "R9", "internal/dkg/blame.go", "return e.verdict(complainer, FalseComplaint)", "return e.verdict(dealer, FalseValue)", "internal/dkg", "TestFalseComplaintConvictsTheComplainer"},
	{"overlooks equivocation", "R10", "internal/dkg/party.go", "return p.blame(m.index, Equivocation, nil, round[at], m)", "return nil", "internal/dkg", "TestEquivocationIsBlamed"},
	{"takes a certificate that not all signed", "R10", "internal/dkg/certificate.go", "if (encoding.Envelope{Body: body, Signature: s}).Verify(p.terms.Cards[i].Ed25519) != nil {", "if (encoding.Envelope{Body: body, Signature: s}).Verify(p.terms.Cards[i].Ed25519) != nil && i > 100 {", "internal/dkg", "TestCertificateRefuses"},
	{"keeps the keys of recorded traffic", "R51", "internal/dkg/party.go", "clear(p.boxes)", "", "internal/dkg", "TestRecordedTrafficStaysClosed"},
	{"keeps one id for every run of a plan", "R51", "internal/dkg/message.go", "return sha256.Sum256(encoding.LP(idLabel, p.bytes, encoding.List(bodies...)))", "return sha256.Sum256(encoding.LP(idLabel, p.bytes))", "internal/dkg", "TestTwoRunsOfOnePlanShareNothing"},
	{"passes a trial with a false share", "R15", "internal/dkg/trial.go", "return share, share.Verify(c.TestPoint(), c.body.public[s.Index-1].g2)", "return share, nil", "internal/dkg", "TestTrialNamesAFalseShare"},
	{"frees a run on fewer than t aborts", "R54", "internal/dkg/message.go", "if len(aborted) < p.Threshold() {", "if len(aborted) == 0 {", "internal/dkg", "TestAbortsOfTAuthoritiesReleaseARun"},
}

var messageMutants = []mutant{
	{"takes a document that the master did not sign", "R50", "dta/document.go", "if err := key.Verify(d.Point(), d.fields.Master); err != nil {", "if err := key.Verify(d.Point(), d.fields.Master); err != nil && false {", "dta", "TestDocumentRefusesAnotherSignature"},
	{"takes public shares off the polynomial", "R50", "dta/fields.go", "if err := f.checkShares(); err != nil {", "if err := f.checkShares(); false {", "dta", "TestDocumentRefusesSharesOffThePolynomial"},
	{"takes another domain's document", "R50", "dta/published.go", "if p.Document.ID() != id {", "if false {", "dta", "TestPublishedVerifiesWithTheFingerprintAlone"},
	{"never calls a document stale", "R50", "dta/published.go", "case day+FreshDays < today:", "case false:", "dta", "TestPublishedGoesStale"},
	{"is content with t approvals", "R50", "dta/approval.go", "return (n + t + 1) / 2", "return t", "dta", "TestQuorumsOfTwoDocumentsShareAnHonestAuthority"},
	{"counts one approval twice", "R50", "dta/approval.go", "given[index] = true", "given[index+uint32(len(given))*100] = true", "dta", "TestApprovalsNeedAQuorum"},
	{"does not ask for the device's signature", "R18", "dta/request.go", "if err := q.Device.Verify(sha256.Sum256(body), signature); err != nil {", "if err := q.Device.Verify(sha256.Sum256(body), signature); err != nil && false {", "dta", "TestOpenRequestRefusesAnotherDevice"},
	{"binds the seal to no authority", "R19", "dta/request.go", `return encoding.LP(sealLabel, domain[:], encoding.U32(index), []byte("request"), encoding.U64(time))`, `return encoding.LP(sealLabel, domain[:], []byte("request"), encoding.U64(time))`, "dta", "TestOpenRequestRefusesAlteredFields"},
	{"leaves the reply key out of the request hash", "R18", "dta/request.go", "encoding.U8(q.ChannelKind), q.Device.Bytes(), q.ReplyKey.Bytes(), encoding.U64(q.Time), q.Nonce[:], evidence[:])", "encoding.U8(q.ChannelKind), q.Device.Bytes(), make([]byte, ReplyKeySize), encoding.U64(q.Time), q.Nonce[:], evidence[:])", "dta", "TestEveryFieldChangesTheRequestHash"},
	{"takes the answer to another request", "R19", "dta/reply.go", "p.Index != want.Index || p.RequestHash != want.RequestHash {", "p.Index != want.Index {", "dta", "TestReplyToAnotherRequestIsRefused"},
	{"takes a false share", "R20", "dta/reply.go", "\t\terr = share.Verify(point, a.Public)\n", "\t\t_ = share.Verify(point, a.Public)\n", "dta", "TestApplyNamesALyingAuthority"},
	{"convicts an authority of a good share", "R20", "dta/falseshare.go", `return nil, fmt.Errorf("%w: the share is good", ErrEvidence)`, "return &Conviction{Domain: doc, Authority: a, Key: reply.Key}, nil", "dta", "TestJudgeFalseShareConvictsTheLiarOnly"},
	{"convicts under another generation's document", "R20", "dta/reply.go", "!ok || g != p.Generation {", "!ok || g.Counter == 0 {", "dta", "TestJudgeFalseShareConvictsTheLiarOnly"},
	{"believes anybody's clock", "R22", "dta/clock.go", "if !VerifyTime(a, app.Domain.Document.ID(), sha256.Sum256(sealed), refused.Time, refused.Signature) {", "if !VerifyTime(a, app.Domain.Document.ID(), sha256.Sum256(sealed), refused.Time, refused.Signature) && false {", "dta", "TestApplyBelievesASignedClockOnly"},
	{"sends new bytes instead of the same", "R22", "dta/apply.go", "answer, err = c.Issue(ctx, url, sealed)", "answer, err = c.Issue(ctx, url, sealed[:len(sealed)-try])", "dta", "TestApplySendsTheSameBytesAgainWhenAnAnswerIsLost"},
	{"prints a code", "R39", "dta/code.go", `func (c Code) String() string { return fmt.Sprintf("%d-[redacted]", c.index) }`, "func (c Code) String() string { return c.Canonical() }", "dta", "TestCodeIsNeverPrinted"},
}
