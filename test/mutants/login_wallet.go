package main

// personMutants are breaks of what a person's device does.
var personMutants = []mutant{
	{"keeps the old token after a PIN change", "R52", "wallet/login_run.go", `if old != "" {`, `if old != "" && false {`, "wallet", "TestTwoSnapshotsAroundAChangeOfPINShareNothing"},
	{"forgets which key is new after a PIN change", "R44", "wallet/login_run.go", `a.record.Active, a.record.Pending = a.record.Pending, ""`, `a.record.Pending = ""`, "wallet", "TestAPersonRegistersLogsInAndIsWhoSheIs"},
	{"tells the PIN in an error", "R32", "wallet/login_run.go", `err = fmt.Errorf("log in %v at %s: %w", q.Name, q.Service, err)`, `err = fmt.Errorf("log in %v at %s with %s: %w", q.Name, q.Service, q.PIN, err)`, "wallet", "TestThePINIsInNoFileRequestLogOrError"},
	{"shows codes before enough authorities are ready", "R16", "wallet/login_register.go", "if ready < need {", "if ready < need-1 {", "wallet", "TestRegisterShowsNoCodeBeforeAllIsReady"},
	{"shows codes before the login server answers", "R16", "wallet/login_register.go", "if _, err := l.client.StatementKeys(ctx, l.url); err != nil {", "if _, err := l.client.StatementKeys(ctx, l.url); err != nil && false {", "wallet", "TestRegisterShowsNoCodeBeforeAllIsReady"},
	{"fetches no permit ahead", "R45", "wallet/login_permit.go", "[]identity.Epoch{schedule.Current(w.now()), schedule.Following(w.now())}", "[]identity.Epoch{schedule.Current(w.now())}", "wallet", "TestPermitsAreRenewedWithoutThePIN"},
	{"binds a login to another secret of its connection", "R27", "wallet/login_line.go", "state.ExportKeyingMaterial(mpin.ExporterLabel, nil,", `state.ExportKeyingMaterial(mpin.ExporterLabel+"2", nil,`, "wallet", "TestALoginOverIdentityTLSIsBoundToItsConnection"},
	{"logs in to any member over identity TLS", "R27", "wallet/login_line.go", "idtls.Exactly(v.To)", "idtls.Member(v.To.Domain())", "wallet", "TestALoginOverIdentityTLSIsBoundToItsConnection"},
	{"takes a statement for another origin", "R27", "wallet/statement.go", "if err := c.check(origin, now); err != nil {", "if err := c.check(c.Issuer, now); err != nil {", "wallet", "TestVerifyStatementRefuses"},
	{"takes a statement for ever", "R27", "wallet/statement.go", "case at >= c.Expires+skew:", "case false:", "wallet", "TestVerifyStatementRefuses"},
	{"overlooks a flipped bit in a token", "R44", "wallet/login_key.go", "if sum := sha256.Sum256(b[:at]); !bytes.Equal(sum[:], b[at:]) {", "if sum := sha256.Sum256(b[:at]); len(sum) == 0 {", "wallet", "TestAFlippedBitInATokenOrPermitIsSeen"},
	{"logs in with another device's permit", "R29", "wallet/login_key.go", "if err == nil && s.key != t.permitKey(e) {", "if err == nil && s.key != t.permitKey(e) && false {", "wallet", "TestForeignLoginFilesAreDamaged"},
	{"splits by a PIN with the salt of nobody", "R32", "wallet/login_register.go", "rand.Read(t.salt[:])", "_ = rand.Reader", "wallet", "TestTwoSnapshotsAroundAChangeOfPINShareNothing"},
}
