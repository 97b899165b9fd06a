package main

import "slices"

var loginMutants = slices.Concat(mpinMutants, wordMutants, serviceMutants, serverMutants, personMutants, storeMutants)

var mpinMutants = []mutant{
	{"answers two challenges for one U", "R55", "mpin/client.go", "\tif t.used {\n", "\tif t.used && false {\n", "mpin", "TestAttemptAnswersOnce"},
	{"answers again when the device did not sign", "R55", "mpin/client.go", "\tdefer t.erase()\n\ttranscript", "\tdefer func() { t.used = true }()\n\ttranscript", "mpin", "TestAttemptAnswersOnce"},
	{"keeps an attempt's secrets after its answer", "R55", "mpin/client.go", "\tt.x.Erase()\n", "", "mpin", "TestAttemptAnswersOnce"},
	{"commits with a nonce of a broken generator", "R55", "mpin/client.go", "t.x = pairing.Nonce(hedge, ", "t.x = pairing.Nonce(nil, ", "mpin", "TestUIsFreshEachTime"},
	{"commits with one nonce for every domain", "R55", "mpin/client.go", "encoding.LP(nonceLabel, l.Domain[:], ", "encoding.LP(nonceLabel, ", "mpin", "TestUIsFreshEachTime"},
	{"answers x + y = 0", "R26", "mpin/client.go", "\tif k.IsZero() {", "\tif k.IsZero() && false {", "mpin", "TestZeroOfXPlusYIsRefused"},
	{"logs in for another device", "R49", "mpin/client.go", "if device.Hash() != l.Device.Hash() {", "if device.Hash() != l.Device.Hash() && false {", "mpin", "TestOtherSecretsAreRefused"},
	{"leaves the domain out of the transcript", "R27", "mpin/login.go", "encoding.U8(suite), l.Domain[:], l.Service[:], []byte(l.Origin),", "encoding.U8(suite), make([]byte, 32), l.Service[:], []byte(l.Origin),", "mpin", "TestEveryFieldOfTheTranscriptCounts"},
	{"leaves U out of y", "R26", "mpin/login.go", "(pairing.Scalar, error) { return pairing.HashToScalar(transcriptDST, t.bytes) }", "(pairing.Scalar, error) { return pairing.HashToScalar(transcriptDST, t.challenge.Nonce[:]) }", "mpin", "TestUChosenAfterY"},
	{"takes the nonce for no part of y", "R26", "mpin/login.go", "(pairing.Scalar, error) { return pairing.HashToScalar(transcriptDST, t.bytes) }", "(pairing.Scalar, error) { return pairing.HashToScalar(transcriptDST, t.commitment.bytes[:]) }", "mpin", "TestReplayedVIsRefused"},
	{"draws one nonce for all", "R26", "mpin/login.go", "\trand.Read(c.Nonce[:])\n", "", "mpin", "TestChallengesAreFresh"},
	{"logs in without the permit's point", "R30", "mpin/login.go", "return a, a.Add(permit), err", "return a, a.Add(permit).Sub(permit), err", "mpin", "TestMeetInTheMiddleMisses"},
	{"takes a login without a PIN", "R49", "mpin/verify.go", "return !w.IsIdentity() && holds(key, c.v, w)", "return !w.IsIdentity()", "mpin", "TestStolenWalletLogsInNowhere"},
	{"splits a key by no PIN", "R49", "mpin/pin.go", "\tif f.alpha.IsZero() {\n\t\treturn keys.Private{}, ErrFactor", "\tif f.alpha.IsZero() && false {\n\t\treturn keys.Private{}, ErrFactor", "mpin", "TestSplitRefuses"},
	{"makes a token that is the whole key", "R49", "mpin/pin.go", "return keys.CombineLess(threshold, shares, part)", "return keys.Combine(threshold, shares)", "mpin", "TestTokenIsTheKeyLessItsPIN"},
	{"stretches a PIN without its salt", "R32", "mpin/pin.go", "argon2.IDKey(pin, salt[:], ", "argon2.IDKey(pin, make([]byte, SaltSize), ", "mpin", "TestEverythingChangesTheFactor"},
	{"stretches a PIN at no cost", "R32", "mpin/pin.go", "p.Memory >= 19<<10 && ", "p.Memory >= 8 && ", "mpin", "TestParamsHaveAFloorAndACeiling"},
	{"takes a PIN of three digits", "R32", "mpin/pin.go", "if len(pin) < MinPIN ||", "if len(pin) < MinPIN-1 ||", "mpin", "TestCheckPIN"},
	{"prints the factor of a PIN", "R39", "mpin/pin.go", `return "PIN factor [redacted]" }`, `return fmt.Sprintf("%x", f.alpha.Expose()) }`, "mpin", "TestNothingSecretIsPrinted"},
	{"weighs a whole batch alike", "R26", "mpin/verify.go", "\t\tw := pairing.RandomWeight()\n", "\t\tw := pairing.NewScalar(1)\n", "mpin", "TestBatchRefusesErrorsThatCancel"},
	{"blames half a batch", "R26", "mpin/verify.go", "return append(bisect(key, batch[:half]), bisect(key, batch[half:])...)", "return bisect(key, batch[:half])", "mpin", "TestBatchIsTheSameAsVerify"},
	{"overlooks W = 0", "R26", "mpin/verify.go", "return !w.IsIdentity() && holds(key, c.v, w)", "return holds(key, c.v, w)", "mpin", "TestWOfZeroIsRefused"},
	{"takes the device's signature of another V", "R28", "mpin/login.go", "return sha256.Sum256(encoding.LP(proofLabel, t.bytes, v))", "return sha256.Sum256(encoding.LP(proofLabel, t.bytes, v[:0]))", "mpin", "TestDeviceSignsV"},
	{"signs a row for any service", "R57", "mpin/wire.go", "encoding.LP(rowLabel, s.Domain[:], s.ID[:], []byte(s.Origin), q.Device,", "encoding.LP(rowLabel, s.Domain[:], make([]byte, 32), []byte(s.Origin), q.Device,", "mpin", "TestRowIsSignedByItsDevice"},
	{"lets a device take its own place", "R57", "mpin/login.go", "if l.Intent.device == l.Device.Hash() {", "if false {", "mpin", "TestTranscriptRefuses"},
	{"takes any text for an origin", "R27", "mpin/login.go", "if err := identity.CheckOrigin(l.Origin); err != nil {", "if err := error(nil); err != nil {", "mpin", "TestMPinVectors"},
}

// wordMutants are breaks of keys for login servers, and of what these sign.
var wordMutants = []mutant{
	{"takes a server key of another master", "R25", "keys/serverkey.go", "if k.point.IsIdentity() || !possessed(k.point, master.point) {", "if k.point.IsIdentity() {", "keys", "TestServerKeyVerifyRefuses"},
	{"takes any server share", "R25", "keys/serverkey.go", "if s.point.IsIdentity() || !possessed(s.point, public) {", "if s.point.IsIdentity() {", "keys", "TestServerShareVerifies"},
	{"takes nothing for a server share of nothing", "R25", "keys/serverkey.go", "if s.point.IsIdentity() || !possessed(s.point, public) {", "if !possessed(s.point, public) {", "keys", "TestServerShareVerifies"},
	{"prints a server key", "R39", "keys/serverkey.go", `return "server key [redacted]" }`, `return fmt.Sprintf("%x", k.Expose()) }`, "keys", "TestServerKeysDoNotPrint"},
	{"makes the whole key for a token", "R49", "keys/share.go", "s.point.Sub(part).Mul(", "s.point.Mul(", "keys", "TestCombineLessMakesTheKeyLessAPart"},
	{"makes a secret of G2 public", "R5", "internal/pairing/secretg2.go", "// Add returns a + b.\n", "// Publish gives it away.\nfunc (a SecretG2) Publish() G2 { return G2{p: *a.point()} }\n\n// Add returns a + b.\n", "keys", "TestServerSharesTellOneValueOfG2"},
	{"takes a server share for another request", "R25", "dta/serverkey.go", "parseWith(r, keys.GenerationSize, keys.ParseGeneration) == q.Generation && r.U32() == q.Index && [32]byte(r.Fixed(32)) == hash", "parseWith(r, keys.GenerationSize, keys.ParseGeneration) == q.Generation && r.U32() == q.Index && len(r.Fixed(32)) == 32", "dta", "TestFalseServerSharesAreRefused"},
	{"takes a false server share", "R25", "dta/serverkey.go", "return share, share.Verify(s.Public[q.Index-1])", "return share, nil", "dta", "TestFalseServerSharesAreRefused"},
	{"seals a server share for any request", "R25", "dta/serverkey.go", `[]byte("server key"), request[:])`, `[]byte("server key"))`, "dta", "TestLoginVectors"},
	{"takes a voucher that anybody signed", "R57", "dta/service.go", "if err == nil && e.Verify(key) != nil {", "if err == nil && e.Verify(key) != nil && false {", "dta", "TestVoucherIsReadAsSigned"},
	{"hears a notice of any signer", "R23", "dta/service.go", "\tif err := e.Verify(s.LoginKey); err != nil {", "\tif err := e.Verify(s.LoginKey); err != nil && false {", "dta", "TestNoticeIsItsServicesWord"},
	{"changes a PIN without the old device", "R57", "dta/evidence.go", "if err := old.Verify(successionDigest(signed, q), signature); err != nil {", "if err := old.Verify(successionDigest(signed, q), signature); err != nil && false {", "dta", "TestSuccessionNeedsTheOldDevice"},
	{"changes the PIN of whichever device asks", "R57", "dta/evidence.go", "if v.Old != old.Hash() {", "if false {", "dta", "TestSuccessionNeedsTheOldDevice"},
	{"changes a PIN by any request", "R57", "dta/evidence.go", "encoding.LP(successionSignedLabel, voucher, bare[:])", "encoding.LP(successionSignedLabel, voucher, bare[:0])", "dta", "TestSuccessionNeedsTheOldDevice"},
}
