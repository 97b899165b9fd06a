// Package login is the M-Pin login server of one service: it verifies that whoever
// logs in has the device and knows the PIN, and says so in a signed statement
// (spec/mpin.md). It holds no secret of any person.
//
// Init makes a server's directory once; Open opens it, with the Protector that
// unseals its keys; Run serves. The parts, in the order in which a login meets
// them:
//
//	realm.go       the domain document, and whether it lets this server serve
//	serverkey.go   the key S: fetched in shares, sealed, verified
//	row.go         which devices are known here: by t statements, by nothing else
//	begin.go       the first pass: a challenge
//	finish.go      the second: count, verify, reset
//	recent.go      what need not be decoded twice
//	verifier.go    pairings, many logins at once
//	statement.go   what an accepted login gets
//	journal.go     who was revoked, beside the database
//	council.go     what two operators decide
//	outbox.go      what authorities and owners are told, until they have it
//
// The files state_*.go hold the SQL, http_*.go the wire. An attempt is counted
// durably before anything is verified, and whatever happens after that the count
// stands. Several servers may share one PostgreSQL database: what must not be spent
// twice is one conditional statement.
//
// Nobody but the operator speaks on the admin socket.
package login
