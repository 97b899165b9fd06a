package wallet

import "errors"

var (
	// ErrDamaged is wrapped by the *FileError of a file that is not what the
	// wallet wrote. The file is left as it is.
	ErrDamaged = errors.New("damaged wallet file")
	// ErrPermissions is wrapped by the *FileError of a file or directory that
	// others than the owner may read or write.
	ErrPermissions = errors.New("open to others")
	// ErrBusy says that another process held a lock for longer than the context
	// allowed.
	ErrBusy = errors.New("another process is working with this part of the wallet")
	// ErrNotPinned says that the wallet knows no such domain.
	ErrNotPinned = errors.New("domain is not pinned")
	// ErrPinned says that the domain is pinned under another fingerprint.
	ErrPinned = errors.New("domain is pinned under another fingerprint")
	// ErrRevision says that a domain document is older than one that this
	// wallet has verified.
	ErrRevision = errors.New("domain document is older than the one in the wallet")
	// ErrConflict is wrapped by *ConflictError.
	ErrConflict = errors.New("two domain documents of one revision")
	// ErrNotEnrolled says that the wallet has no enrolment of a name.
	ErrNotEnrolled = errors.New("not enrolled")
	// ErrNoKey says that no key of a name is for the present time.
	ErrNoKey = errors.New("no key for the present time")
	// ErrDevice says that the device key is not the one that was enrolled.
	ErrDevice = errors.New("not the device key that was enrolled")
	// ErrNoToken says that no token was to be had, or none that can be shown.
	ErrNoToken = errors.New("no token")
	// ErrNotRegistered says that the wallet has no login of a name at a service.
	ErrNotRegistered = errors.New("no login registered")
	// ErrRegistered says that it has one already.
	ErrRegistered = errors.New("login is registered already")
	// ErrService says that the domain document lists no such login service.
	ErrService = errors.New("no such login service")
	// ErrStatement is wrapped by every refusal of a login server's statement.
	ErrStatement = errors.New("login statement refused")
)

// FileError is an error about one file of the wallet.
type FileError struct {
	Path string
	Err  error
	hint string
}

// Error returns path and cause in one line.
func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause: ErrDamaged, ErrPermissions or that of the
// operating system.
func (e *FileError) Unwrap() error { return e.Err }

// Hint returns what to do next.
func (e *FileError) Hint() string { return e.hint }

// advised is an error with advice that is about no file.
type advised struct {
	error
	hint string
}

func (e *advised) Unwrap() error { return e.error }

// Hint returns what to do next.
func (e *advised) Hint() string { return e.hint }
