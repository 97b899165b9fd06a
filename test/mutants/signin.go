package main

// signinMutants are breaks of what is around the sign-in of people: who decides at a
// login server, what it answers to the hostile, and its counters behind the pages.
var signinMutants = []mutant{
	{"does a critical act on one approval", "R42", "internal/login/council.go", "needApprovals = 2", "needApprovals = 1", "internal/login", "TestCriticalActsWantTwoOperators"},
	{"counts one operator of a login server twice", "R42", "internal/login/state_proposal.go", "by.Key[:], signed, micros(now))", "append(by.Key[:31:31], byte(micros(now))), signed, micros(now))", "internal/login", "TestCriticalActsWantTwoOperators"},
	{"invites without operators", "R42", "internal/login/http_council.go", "\t\tif !s.council.sits() {\n\t\t\treturn s.desk", "\t\tif true {\n\t\t\treturn s.desk", "internal/login", "TestCriticalActsWantTwoOperators"},
	{"unlocks without operators", "R42", "internal/login/http_council.go", "\t\tif !s.council.sits() {\n\t\t\treturn s.registry", "\t\tif true {\n\t\t\treturn s.registry", "internal/login", "TestCriticalActsWantTwoOperators"},
	{"adds an application without operators", "R42", "internal/login/clients.go", "\tif s.council.sits() {\n", "\tif false {\n", "internal/login", "TestCriticalActsWantTwoOperators"},
	{"tells nobody who approved", "R42", "internal/login/state_proposal.go", "\tif n > 0 {\n\t\terr = t.record", "\tif n > 1 {\n\t\terr = t.record", "internal/login", "TestCriticalActsWantTwoOperators"},
	{"takes whatever an operator has signed", "R42", "internal/login/proposal.go", "if r.Close() != nil || string(e.Body) != string(a.body(server, id, time)) {", "if r.Close() != nil {", "internal/login", "TestApprovalIsOfExactlyOneProposal"},
	{"leaves the person out of an approval", "R42", "internal/login/proposal.go", "encoding.LP(inviteLabel, []byte(a.Invite.Name.String()), ", "encoding.LP(inviteLabel, nil, ", "internal/login", "TestApprovalIsOfExactlyOneProposal"},
	{"leaves the end of an invitation out of an approval", "R42", "internal/login/proposal.go", "encoding.U64(unixSeconds(a.Invite.Expires))", "nil", "internal/login", "TestApprovalIsOfExactlyOneProposal"},
	{"takes an approval of any time", "R42", "internal/login/council.go", "at+identity.MaxSkew < here || at > here+identity.MaxSkew", "at > here+identity.MaxSkew*1000", "internal/login", "TestApprovalIsOfExactlyOneProposal"},
	{"takes an approval of anybody's key", "R42", "internal/login/proposal.go", "if e.Verify(one.Key[:]) == nil {", "if one.Name != \"\" {", "internal/login", "TestApprovalIsOfExactlyOneProposal"},
	{"does what was decided again", "R42", "internal/login/state_proposal.go", "UPDATE proposals SET done = TRUE WHERE", "UPDATE proposals SET done = FALSE WHERE", "internal/login", "TestApprovalsAtOnceDoItOnce"},
	{"lets two approvals pass each other", "R42", "internal/login/state_proposal.go", "UPDATE proposals SET done = done WHERE proposal = $1 AND NOT done AND expires > $2 RETURNING proposal, act, made, expires", "SELECT proposal, act, made, expires FROM proposals WHERE proposal = $1 AND NOT done AND expires > $2", "internal/login", "TestApprovalsAtOnceDoItOnce"},
	{"lets proposals wait for ever", "R42", "internal/login/council.go", "proposalLife = 24 * time.Hour", "proposalLife = 240 * time.Hour", "internal/login", "TestProposalsPass"},
	{"lets any number of proposals wait", "R42", "internal/login/state_proposal.go", "AND expires > $3) < $5`", "AND expires > $3) < $5 + 1000`", "internal/login", "TestProposalsPass"},
	{"takes one person for two operators", "R42", "internal/login/council.go", "names[one.Name] || keys[one.Key]", "names[one.Name]", "internal/login", "TestOperatorsAreTwoPeople"},
	{"is content with one operator", "R42", "internal/login/council.go", "if len(all) > 0 && len(all) < needApprovals {", "if false {", "internal/login", "TestOperatorsAreTwoPeople"},
	{"counts operators of before", "R42", "internal/login/council.go", "p.id, p.act, c.operators); err == nil {\n\t\t\tshown", "p.id, p.act, c.operators); err != errApproval {\n\t\t\tshown", "internal/login", "TestOperatorsAreTwoPeople"},
}
