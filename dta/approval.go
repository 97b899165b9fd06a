package dta

import (
	"crypto/ed25519"
	"fmt"

	"milagro.dev/internal/encoding"
)

const (
	approvalLabel = "milagro/v1 approval"
	maxApproval   = 512
)

// Quorum returns q = ⌈(n+t)/2⌉: so many approvals make two signed documents
// at one revision impossible while fewer than t authorities are bad.
func Quorum(n, t int) int { return (n + t + 1) / 2 }

// SignApproval returns authority index's approval of d. The caller has made
// sure that it never approves another at this or a lower revision.
func SignApproval(key ed25519.PrivateKey, index uint32, d *Document) []byte {
	return encoding.Sign(key, approvalBody(index, d))
}

func approvalBody(index uint32, d *Document) []byte {
	id, hash := d.ID(), d.Hash()
	return encoding.LP(approvalLabel, id[:], d.Generation().Bytes(), encoding.U32(index),
		encoding.U64(d.Revision()), hash[:])
}

// VerifyApprovals returns an error that wraps ErrDocument unless approvals
// holds, among whatever else, valid approvals of d by Quorum different
// authorities of d's own generation.
func VerifyApprovals(authorities []Authority, d *Document, approvals [][]byte) error {
	given := map[uint32]bool{}
	for _, b := range approvals {
		if index, ok := approver(authorities, d, b); ok {
			given[index] = true
		}
	}
	need := Quorum(len(authorities), d.Threshold())
	if len(given) < need {
		return fmt.Errorf("%w: approved by %d authorities, %d are needed", ErrDocument, len(given), need)
	}
	return nil
}

func approver(authorities []Authority, d *Document, b []byte) (uint32, bool) {
	e, err := encoding.ParseEnvelope(b, maxApproval)
	if err != nil {
		return 0, false
	}
	for _, a := range authorities {
		if string(e.Body) == string(approvalBody(a.Index, d)) && e.Verify(a.Ed25519) == nil {
			return a.Index, true
		}
	}
	return 0, false
}
