package idtls

import (
	"errors"
	"fmt"
)

// ErrBusy says that so many peers wait for their first verification that
// another cannot join them. Nothing was found out about the peer, which may try
// again; one that was verified before is not concerned.
var ErrBusy = errors.New("too many peers wait to be verified for the first time")

// Check names one step of the verification of a peer (spec/idtls.md "Checks").
type Check string

// The checks, in their order.
const (
	CheckVersion     Check = "version"
	CheckCertificate Check = "certificate"
	CheckKey         Check = "key"
	CheckExtension   Check = "extension"
	CheckBinding     Check = "binding"
	CheckSuite       Check = "suite"
	CheckProfile     Check = "profile"
	CheckName        Check = "name"
	CheckDomain      Check = "domain"
	CheckEpoch       Check = "epoch"
	CheckTime        Check = "time"
	CheckUsage       Check = "usage"
	CheckRevocation  Check = "revocation"
	CheckALPN        Check = "alpn"
	CheckSignature   Check = "signature"
	CheckAuthorizer  Check = "authorizer"
)

// VerifyError says which check a peer did not pass and why. It is for the
// operator of this end: the peer sees the alert bad_certificate, whatever the
// check was.
type VerifyError struct {
	// Check is the first check that failed; those after it did not run.
	Check Check
	// Claimed is who the peer says it is: verified only if Check is
	// CheckAuthorizer, zero if the peer did not get as far as saying so.
	Claimed Peer
	// Err is the reason.
	Err error
}

// Error returns one line.
func (e *VerifyError) Error() string {
	if e.Claimed.Name.IsZero() {
		return fmt.Sprintf("peer refused: %s: %v", e.Check, e.Err)
	}
	return fmt.Sprintf("peer %v refused: %s: %v", e.Claimed.Name, e.Check, e.Err)
}

// Unwrap returns Err.
func (e *VerifyError) Unwrap() error { return e.Err }
