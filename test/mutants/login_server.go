package main

// serverMutants are breaks of the login server.
var serverMutants = []mutant{
	{"counts one statement of enrolment twice", "R57", "internal/login/row.go", "authorities = rest", "_ = rest", "internal/login", "TestRowVectors"},
	{"makes a row of one statement", "R57", "internal/login/row.go", "count < s.document.Threshold()", "count < 1", "internal/login", "TestRowVectors"},
	{"makes a row of another generation", "R57", "internal/login/row.go", "case e.Generation != s.service.Generation:", "case false:", "internal/login", "TestRowVectors"},
	{"makes a row of another device's statements", "R57", "internal/login/row.go", "case e.Device != device:", "case false:", "internal/login", "TestRowVectors"},
	{"makes a row of two names", "R57", "internal/login/row.go", "statement.Name != first.Name || ", "", "internal/login", "TestRowVectors"},
	{"makes a row of an enrolment for permits", "R57", "internal/login/row.go", " || e.Purpose != identity.MPin", "", "internal/login", "TestRowVectors"},
	{"makes a row for a name of another domain", "R57", "internal/login/row.go", "case e.Name.Domain() != s.document.Domain():", "case false:", "internal/login", "TestRowVectors"},
	{"takes a row request 301 s old", "R57", "internal/login/row.go", "in.Time+identity.MaxSkew < at", "in.Time+identity.MaxSkew+1 < at", "internal/login", "TestRowVectors"},
	{"does not count a wrong PIN", "R29", "internal/login/state_login.go", "SET streak = streak + 1, total = total + 1,", "SET streak = streak, total = total + 1,", "internal/login", "TestFiveWrongPINsInARowLock"},
	{"forgets the wrong PINs of before", "R29", "internal/login/state_login.go", "SET streak = streak + 1, total = total + 1,", "SET streak = streak + 1, total = 1,", "internal/login", "TestFiftyWrongPINsEndADevice"},
	{"counts an attempt that its device did not sign", "R28", "internal/login/finish.go", "if mpin.VerifyDevice(a.transcript, a.proof) != nil {", "if mpin.VerifyDevice(a.transcript, a.proof) != nil && false {", "internal/login", "TestStrangersRaiseNoCounter"},
	{"lets two finish one session", "R26", "internal/login/state_login.go", "if err == nil && n == 0 {", "if err == nil && n == 0 && false {", "internal/login", "TestSessionIsUsedOnce"},
	{"says why a login is refused", "R31", "internal/login/finish.go", "\tg.counters.login(outcomeRefused)\n\treturn problem.New(problem.LoginRefused, \"\")", "\tg.counters.login(outcomeRefused)\n\treturn problem.New(problem.LoginRefused, \"%s\", reason)", "internal/login", "TestRefusalsLookTheSame"},
	{"spares who has no row the pairings", "R31", "internal/login/finish.go", "\t\tg.alone(s, a)\n\t\treturn false", "\t\treturn false", "internal/login", "TestRefusalsLookTheSame"},
	{"takes a permit of any epoch", "R53", "internal/login/begin.go", "if err = schedule.Accepts(epoch, unixSeconds(now)); err == nil {", "if _ = schedule; err == nil {", "internal/login", "TestNextEpochsPermitIsRefused"},
	{"lets a poisoner into every batch", "R26", "internal/login/finish.go", "if c.streak > 1 || c.total > maxStreak {", "if false {", "internal/login", "TestPoisonerIsVerifiedAlone"},
	{"restores a database as if nothing was tried", "R29", "internal/login/login.go", "if start == Restored {", "if false {", "internal/login", "TestRestoredServerIsOnePINBeforeItsLocks"},
}
