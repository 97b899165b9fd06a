package main

var agentMutants = []mutant{
	{"keeps nothing after a name's first key", "R23", "internal/agent/ward.go", "if w.begun() {", "if false {", "internal/agent", "TestAgentPinsEnrolsAndRenewsWithNobodyAround"},
	{"lets one failed enrolment be the last", "R45", "internal/agent/ward.go", "				pause = backoff(failures, sent)", "				pause = backoff(failures, sent) + 1000*time.Hour", "internal/agent", "TestTokensAreReadAnewUntilTheyEnrol"},
	{"does not see names that others enrol", "R23", "internal/agent/agent.go", "if a.plan.Scope == Everything {", "if false {", "internal/agent", "TestNamesThatOthersEnrolAreKeptAndForgottenOnesAreNot"},
	{"shows no token to an authority that has forgotten the device", "R45", "internal/agent/ward.go", "		w.forgotten(r.Report)\n", "", "internal/agent", "TestAnAuthorityThatDoesNotKnowTheDeviceIsShownATokenAgain"},
	{"is ready without keys", "R23", "internal/agent/health.go", "	if o.Now.IsZero() {", "	if false {", "internal/agent", "TestOutageLongerThanTheEpochIsRecoveredFrom"},
	{"begins all names anew with each plan", "R23", "internal/agent/agent.go", "			w.configure(config)\n			continue", "			w.cancel()", "internal/agent", "TestPlanChangesDisturbNobodyElse"},
	{"logs each try that fails", "R45", "internal/agent/ward.go", "	return before != text", "	return before != text || subject != \"\"", "internal/agent", "TestOutageLongerThanTheEpochIsRecoveredFrom"},
	{"tells the service manager nothing until all have keys", "R45", "internal/agent/health.go", "	a.up = up || !waiting", "	a.up = up || strings.HasSuffix(status, \"all with their keys\")", "internal/agent", "TestAHostBootsAlthoughNobodyAnswers"},
	{"feeds the watchdog of a dead process", "R45", "internal/systemd/notify.go", "		if alive() {", "		if alive(); true {", "internal/systemd", "TestWatchdogIsFedTwiceInItsTimeWhileAlive"},
	{"dates no reload", "R45", "internal/systemd/notify.go", "strconv.FormatInt(monotonic().Microseconds(), 10)", "\"0\"", "internal/systemd", "TestReloadIsDatedByTheMonotonicClock"},
	{"counts a key that peers refuse", "R23", "wallet/outlook.go", "	o.Now, _ = best(schedule, w.now(), held)", "	if len(held) > 0 {\n		o.Now = held[len(held)-1]\n	}", "wallet", "TestOutlookFollowsTheEpochs"},
	{"takes the next key for in hand", "R23", "wallet/outlook.go", "	o.Ahead = slices.Contains(held, schedule.Following(w.now()))", "	o.Ahead = true", "wallet", "TestOutlookFollowsTheEpochs"},
}
