package main

// storeMutants are breaks of both engines and of shared commits.
var storeMutants = []mutant{
	{"answers a write before its commit", "R44", "internal/store/group.go", "if err = tx.Commit(); err != nil {", "if err = tx.Rollback(); err != nil {", "internal/store", "TestWaitingWritesShareACommit"},
	{"keeps what a failed member did", "R21", "internal/store/group.go", `tx.Exec("ROLLBACK TO member")`, `tx.Exec("SELECT 1")`, "internal/store", "TestMembersErrorIsItsOwn"},
	{"forgets the others of a broken transaction", "R44", "internal/store/group.go", "if m != broken {", "if m == nil {", "internal/store", "TestMemberThatBreaksTheTransactionFailsAlone"},
	{"refuses by what was not kept", "R29", "internal/store/group.go", "\t\tif err != nil {\n\t\t\toutcomes[i] = err", "\t\tif err != nil && outcomes[i] == nil {\n\t\t\toutcomes[i] = err", "internal/store", "TestFailedCommitIsEverybodysFailure"},
	{"lets PostgreSQL answer before the disk", "R44", "internal/store/postgres.go", `RuntimeParams["synchronous_commit"] = "on"`, `RuntimeParams["synchronous_commit"] = "off"`, "internal/store", "TestEverySessionIsDurableAndBounded"},
	{"runs again what may have been committed", "R29", "internal/store/errors.go", "step.step == commit:\n\t\treturn false", "step.step == commit:\n\t\treturn true", "internal/store", "TestCommitThatIsLostIsAnErrorAndNotRunAgain"},
	{"shows the URL that does not parse", "R39", "internal/store/postgres.go", `errors.New("the URL of the database is none of PostgreSQL: want " + form)`, "errors.New(text + form)", "internal/store", "TestPasswordIsInNoError"},
	{"shows the settings of a connection", "R39", "internal/store/postgres.go", "return nil, &connectError{text: text}", "return nil, err", "internal/store", "TestPasswordIsInNoError"},
	{"acknowledges a commit that failed", "R46", "internal/store/tx.go", "\tif err != nil {\n\t\treturn &stepError{step: commit, err: err}", "\tif err != nil && false {\n\t\treturn &stepError{step: commit, err: err}", "internal/store", "TestSwallowedErrorKeepsNothing"},
	{"reads two states as one", "R29", "internal/store/tx.go", "Isolation: sql.LevelRepeatableRead,", "Isolation: sql.LevelReadCommitted,", "internal/store", "TestReadSeesOneState"},
	{"takes a read-only server for ready", "R46", "internal/store/postgres.go", `if readOnly != "off" {`, "if false {", "internal/store", "TestReadOnlyServerIsUnavailableAndRecovers"},
	{"knows no full disk of PostgreSQL", "R46", "internal/store/errors.go", `"53",`, `"5x",`, "internal/store", "TestFullTablespaceIsUnavailableAndRecovers"},
	{"fails a deadlock", "R24", "internal/store/errors.go", `answer.Code == "40P01"`, `answer.Code == "40P00"`, "internal/store", "TestDeadlockRunsAgain"},
}
