// Package authority is a Distributed Trust Authority: the server that holds one
// share of a domain's master key and issues with it one share of each key that an
// applicant may have (spec/issuance.md, spec/ceremony.md, spec/document.md,
// spec/mpin.md).
//
// Init makes an authority's directory once; Open opens it, with the Protector
// that unseals its secrets; Run serves. What others ask of it goes through
// machines, one for each rule book:
//
//	issuer.go      in which order a request for a share is checked
//	codes.go       one-time codes: made, looked at, refused
//	succession.go  evidence of a PIN change
//	login.go       what login servers ask: their share of a server key, the end of a device
//	operators.go   what two people must approve
//	rates.go       how often anybody may try
//	ceremony.go    making a master: a driver of dkg.Party, Confirm or Abort
//	document.go    which domain document is approved, signed, served
//	stamps.go      the daily proof that it is still the newest
//	service.go     the shares of the login services' masters
//	vault.go       the sealed shares of masters, one file a generation
//
// The files state_*.go hold the SQL, http_*.go the wire. What is durable is so
// before the answer leaves: the log row before the share, the sealed share before
// Confirm, the approval before its signature.
//
// Nobody but the operator speaks on the admin socket; everybody may speak to the
// public address, and what he says is believed when its signature is.
package authority
