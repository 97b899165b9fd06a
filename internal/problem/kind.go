package problem

import "net/http"

// Kind names a refusal on the wire: the type is "urn:milagro:problem:" and the
// kind. It is an error, so that errors.Is(err, problem.CodeUsed) works.
type Kind string

// The kinds. What each means to the peer is its hint in the table below.
const (
	Malformed          Kind = "malformed"            // 400: body does not parse
	TooLarge           Kind = "too-large"            // 413
	UnsupportedMedia   Kind = "unsupported-media"    // 415
	NotFound           Kind = "not-found"            // 404
	MethodNotAllowed   Kind = "method-not-allowed"   // 405
	WrongDomain        Kind = "wrong-domain"         // 422: request for another trust domain
	WrongGeneration    Kind = "wrong-generation"     // 409: shares have been renewed since
	WrongEpoch         Kind = "wrong-epoch"          // 422: epoch not issuable now
	WrongAuthority     Kind = "wrong-authority"      // 421: request for another index
	StaleTime          Kind = "stale-time"           // 400: Time and Signature say the authority's clock
	CannotOpen         Kind = "cannot-open"          // 400: sealed to another key, or altered
	Possession         Kind = "possession"           // 403: device signature does not verify
	CodeUnknown        Kind = "code-unknown"         // 403
	CodeUsed           Kind = "code-used"            // 409
	CodeExpired        Kind = "code-expired"         // 403
	CodeWrongAuthority Kind = "code-wrong-authority" // 403
	NotEnrolled        Kind = "not-enrolled"         // 403
	Revoked            Kind = "revoked"              // 403
	RateLimited        Kind = "rate-limited"         // 429: RetryAfter says when
	Replayed           Kind = "replayed"             // 409: this request hash was answered otherwise
	PurposeRefused     Kind = "purpose-refused"      // 403
	ServiceUnknown     Kind = "service-unknown"      // 404: the domain document lists no such login service
	NameRefused        Kind = "name-refused"         // 403
	NoStamp            Kind = "no-stamp"             // 503: domain document not stamped for 7 days
	NotActive          Kind = "not-active"           // 404: no master key yet
	CeremonyState      Kind = "ceremony-state"       // 409: not the time for this step
	CeremonyMessage    Kind = "ceremony-message"     // 409: a message proves a fault; Blame, Abort
	Forbidden          Kind = "forbidden"            // 403
	Unavailable        Kind = "unavailable"          // 503: storage or start-up
	LogUnavailable     Kind = "log-unavailable"      // 503: issuance log cannot be written
	Internal           Kind = "internal"             // 500
	LoginRefused       Kind = "login-refused"        // 403: wrong PIN, or no login for this device: which is not told
	SessionUnknown     Kind = "session-unknown"      // 409
	RowRefused         Kind = "row-refused"          // 403: statements that make no row at this login server
	SuccessionPending  Kind = "succession-pending"   // 409: another PIN change is under way
	AlreadyEnrolled    Kind = "already-enrolled"     // 409: purpose mpin, issued once for a device
	VoucherRefused     Kind = "voucher-refused"      // 403: evidence of a PIN change, or of an enrolment by invitation
	NotApproved        Kind = "not-approved"         // 403: two operators have not approved
	TokenRefused       Kind = "token-refused"        // 403: evidence of kind jwt
	TokenUsed          Kind = "token-used"           // 409: one that counts once
	VoucherUsed        Kind = "voucher-used"         // 409: a registration, which counts once
	EmailSent          Kind = "email-sent"           // 403: evidence wants the code that was mailed
	EmailRefused       Kind = "email-refused"        // 403: a mailed code
	MailUnavailable    Kind = "mail-unavailable"     // 503: the mail server takes nothing
	InvitationRefused  Kind = "invitation-refused"   // 403: at a login server
)

type entry struct {
	status      int
	title, hint string
}

// Error returns the title of the kind.
func (k Kind) Error() string { return k.entry().title }

// Status returns the HTTP status of the kind.
func (k Kind) Status() int { return k.entry().status }

// Kinds returns every kind, in the order of the specification.
func Kinds() []Kind {
	return []Kind{
		Malformed, TooLarge, UnsupportedMedia, NotFound, MethodNotAllowed,
		WrongDomain, WrongGeneration, WrongEpoch, WrongAuthority, StaleTime, CannotOpen, Possession,
		CodeUnknown, CodeUsed, CodeExpired, CodeWrongAuthority, NotEnrolled, Revoked, RateLimited, Replayed,
		PurposeRefused, ServiceUnknown, NameRefused, NoStamp, NotActive, CeremonyState, CeremonyMessage,
		Forbidden, Unavailable, LogUnavailable, Internal,
		LoginRefused, SessionUnknown, RowRefused, SuccessionPending, AlreadyEnrolled, VoucherRefused, NotApproved,
		TokenRefused, TokenUsed,
		VoucherUsed, EmailSent, EmailRefused, MailUnavailable, InvitationRefused,
	}
}

func (k Kind) known() bool {
	_, ok := k.lookup()
	return ok
}

func (k Kind) entry() entry {
	e, ok := k.lookup()
	if !ok {
		return entry{status: http.StatusInternalServerError, title: string(k)}
	}
	return e
}

func (k Kind) lookup() (entry, bool) {
	if e, ok := k.transport(); ok {
		return e, true
	}
	if e, ok := k.issuance(); ok {
		return e, true
	}
	if e, ok := k.domain(); ok {
		return e, true
	}
	if e, ok := k.enrolment(); ok {
		return e, true
	}
	return k.login()
}

// transport words what any HTTP endpoint may answer.
func (k Kind) transport() (entry, bool) {
	switch k {
	case Malformed:
		return entry{400, "malformed request", "both sides must speak the same version of the protocol: compare 'milagro version'"}, true
	case TooLarge:
		return entry{413, "request too large", ""}, true
	case UnsupportedMedia:
		return entry{415, "unsupported media type", "send application/json"}, true
	case NotFound:
		return entry{404, "no such resource", "check the URL: it is the authority's address without a path"}, true
	case MethodNotAllowed:
		return entry{405, "method not allowed", ""}, true
	case Forbidden:
		return entry{403, "not permitted", ""}, true
	case RateLimited:
		return entry{429, "too many requests", "wait as long as Retry-After says, then try again"}, true
	case Unavailable:
		return entry{503, "authority cannot answer now", "try again later; if it lasts, tell the authority's operator"}, true
	case Internal:
		return entry{500, "internal error", "tell the authority's operator: the cause is in its log"}, true
	}
	return entry{}, false
}

// issuance words the refusals of spec/issuance.md.
func (k Kind) issuance() (entry, bool) {
	switch k {
	case WrongDomain:
		return entry{422, "request for another trust domain", "check which domain is pinned for this URL"}, true
	case WrongGeneration:
		return entry{409, "request for another generation of shares", "refresh the domain document and ask again"}, true
	case ServiceUnknown:
		return entry{404, "no such login service", "'milagro domain show' lists the services of a domain; refresh the domain document"}, true
	case WrongEpoch:
		return entry{422, "epoch not current", "check the clocks of both sides, then use the current epoch"}, true
	case WrongAuthority:
		return entry{421, "request for another authority", "check the URL of each authority in the domain document"}, true
	case StaleTime:
		return entry{400, "request time too far from the authority's clock", "set this machine's clock; more than 300 s apart is refused"}, true
	case CannotOpen:
		return entry{400, "sealed request does not open", "refresh the domain document: the authority's key may have changed"}, true
	case Possession:
		return entry{403, "device signature does not verify", "sign with the key of the device that is named in the request"}, true
	case CodeUnknown:
		return entry{403, "unknown one-time code", "compare it with what the operator of this authority gave out"}, true
	case CodeUsed:
		return entry{409, "one-time code already used", "ask the operator of this authority for a new code"}, true
	case CodeExpired:
		return entry{403, "one-time code expired", "ask the operator of this authority for a new code"}, true
	case CodeWrongAuthority:
		return entry{403, "one-time code of another authority", "each authority's code goes to that authority alone: its first digits are the index"}, true
	case TokenRefused:
		return entry{403, "token refused", "it must come from an issuer that this authority trusts, be for this authority and this device, and be young"}, true
	case TokenUsed:
		return entry{409, "token already used", "get a new token from its issuer: this kind enrols once"}, true
	case NotEnrolled:
		return entry{403, "device not enrolled for this name", "enrol with a one-time code or a token for each authority"}, true
	case Revoked:
		return entry{403, "enrolment revoked", "ask the operator why; a new enrolment needs a new code and a new device key"}, true
	case Replayed:
		return entry{409, "request already answered", "make a new request"}, true
	case PurposeRefused:
		return entry{403, "purpose not issued here", ""}, true
	case NameRefused:
		return entry{403, "name not issued here", "a name belongs to one domain and is issued to whom it is registered for"}, true
	case LogUnavailable:
		return entry{503, "issuance log cannot be written", "nothing was issued; try again later and tell the authority's operator"}, true
	}
	return entry{}, false
}

// domain words the refusals of spec/document.md and spec/ceremony.md.
func (k Kind) domain() (entry, bool) {
	switch k {
	case NoStamp:
		return entry{503, "domain document not stamped in the last 7 days", "threshold many authorities must be reachable from each other for a day's stamp"}, true
	case NotActive:
		return entry{404, "no active domain", "finish the ceremony: 'milagro ceremony run' goes on where it stopped"}, true
	case CeremonyState:
		return entry{409, "ceremony not at this step", "run 'milagro ceremony run' again: it asks every authority where it stands"}, true
	case CeremonyMessage:
		return entry{409, "ceremony message proves a fault", "'milagro ceremony blame' shows whose it is from the blame file alone"}, true
	}
	return entry{}, false
}

// enrolment words the refusals of spec/enrolment.md.
func (k Kind) enrolment() (entry, bool) {
	switch k {
	case VoucherUsed:
		return entry{409, "voucher already used", "it enrolled a device once: ask for a new invitation"}, true
	case EmailSent:
		return entry{403, "a code was mailed", "type the code that this authority has mailed; it is good for 10 minutes"}, true
	case EmailRefused:
		return entry{403, "mailed code refused", "ask this authority for a new code: one is good for 10 minutes and 5 tries"}, true
	case MailUnavailable:
		return entry{503, "mail cannot be sent now", "nothing was lost: try again later; if it lasts, tell the operator"}, true
	case InvitationRefused:
		return entry{403, "invitation not good here", "ask whoever invited you for a new one: it is for one device, once, and for a time"}, true
	}
	return entry{}, false
}

// login words the refusals of spec/mpin.md. login-refused is one text for every
// cause: a stranger learns of no device whether it is locked, or is there.
func (k Kind) login() (entry, bool) {
	switch k {
	case LoginRefused:
		return entry{403, "login refused", "check the PIN; five wrong ones in a row lock a device, and then an operator unlocks it: milagro login unlock"}, true
	case SessionUnknown:
		return entry{409, "no such login session", "a session is answered once, within 60 seconds: begin again"}, true
	case RowRefused:
		return entry{403, "device not taken by this login server", "refresh the domain document; if it still fails, register a new device with new codes"}, true
	case SuccessionPending:
		return entry{409, "another PIN change of this device is under way", "finish it on the device where it was begun, or wait 24 hours"}, true
	case AlreadyEnrolled:
		return entry{409, "device already enrolled for this login", "its key is issued once: after a crash register a new device key with new codes"}, true
	case VoucherRefused:
		return entry{403, "voucher refused", "for a PIN change log in with the old PIN and begin the change again; its vouchers are good for 24 hours"}, true
	case NotApproved:
		return entry{403, "not approved by two operators", "two operators of this authority approve it: 'milagro dta approve'"}, true
	}
	return entry{}, false
}
