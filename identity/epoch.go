package identity

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// EpochSize is the length of an encoded epoch, in bytes.
	EpochSize = 12
	// MaxSkew bounds how far two honest clocks may be apart, in seconds.
	MaxSkew = 300

	maxEpochLength = 1<<31 - 1
	maxTime        = 1<<63 - 1
)

// ErrEpoch is wrapped by every refusal of an epoch.
var ErrEpoch = errors.New("epoch refused")

// Epoch is the span of time that a key is for: Start in unix seconds, a
// multiple of Length in seconds (spec/identity.md "Epochs"). The zero Epoch is
// none. Epochs compare with ==.
type Epoch struct {
	Start  uint64
	Length uint32
}

// EpochAt returns the epoch of the given length that contains the time now,
// in unix seconds. A length of 0 gives the zero Epoch.
func EpochAt(now uint64, length uint32) Epoch {
	if length == 0 {
		return Epoch{}
	}
	return Epoch{Start: now - now%uint64(length), Length: length}
}

// ParseEpoch reads the 12 bytes of Bytes; an error wraps ErrEpoch.
func ParseEpoch(b []byte) (Epoch, error) {
	if len(b) != EpochSize {
		return Epoch{}, fmt.Errorf("%w: %d bytes where %d belong", ErrEpoch, len(b), EpochSize)
	}
	e := Epoch{Start: binary.BigEndian.Uint64(b), Length: binary.BigEndian.Uint32(b[8:])}
	if e.Length == 0 || e.Length > maxEpochLength || e.Start > maxTime-uint64(e.Length) {
		return Epoch{}, fmt.Errorf("%w: start or length out of range", ErrEpoch)
	}
	if e.Start%uint64(e.Length) != 0 {
		return Epoch{}, fmt.Errorf("%w: start %d is not a multiple of length %d", ErrEpoch, e.Start, e.Length)
	}
	return e, nil
}

// Bytes returns u64 start ‖ u32 length, 12 bytes, or nothing for the zero
// Epoch: absent fields are empty.
func (e Epoch) Bytes() []byte {
	if e.IsZero() {
		return nil
	}
	b := binary.BigEndian.AppendUint64(nil, e.Start)
	return binary.BigEndian.AppendUint32(b, e.Length)
}

// IsZero reports whether e is no epoch.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// End returns the first second after e.
func (e Epoch) End() uint64 { return e.Start + uint64(e.Length) }

// Next returns the epoch after e, of the same length.
func (e Epoch) Next() Epoch { return Epoch{Start: e.End(), Length: e.Length} }

// Skew returns the seconds before Start and after End in which e is still
// accepted: the lesser of MaxSkew and Length.
func (e Epoch) Skew() uint64 { return min(MaxSkew, uint64(e.Length)) }

// Covers returns nil iff e is accepted at the time now, in unix seconds, skew
// included.
func (e Epoch) Covers(now uint64) error {
	switch {
	case now+e.Skew() < e.Start:
		return fmt.Errorf("%w: it begins in %d s", ErrEpoch, e.Start-now)
	case now > e.End()+e.Skew():
		return fmt.Errorf("%w: it ended %d s ago", ErrEpoch, now-e.End())
	}
	return nil
}

// LastQuarter reports whether now lies in the last quarter of e, in which the
// next epoch's keys are fetched.
func (e Epoch) LastQuarter(now uint64) bool {
	return now >= e.End()-uint64(e.Length)/4 && now < e.End()
}

// String returns start/length.
func (e Epoch) String() string { return fmt.Sprintf("%d/%d", e.Start, e.Length) }

// Schedule is what a domain document says about the epochs of one purpose:
// the length in force and, after a change of length, the previous length and
// the last start of an epoch of that length; both 0 if there was none.
type Schedule struct {
	Length            uint32
	PreviousLength    uint32
	PreviousLastStart uint64
}

// Check returns an error that wraps ErrEpoch if s contradicts itself: a length
// out of range, or a change at an instant where not both lengths meet.
func (s Schedule) Check() error {
	if s.Length == 0 || s.Length > maxEpochLength || s.PreviousLength > maxEpochLength {
		return fmt.Errorf("%w: a length is 1 to %d seconds", ErrEpoch, maxEpochLength)
	}
	if s.PreviousLength == 0 {
		if s.PreviousLastStart != 0 {
			return fmt.Errorf("%w: a last start without a previous length", ErrEpoch)
		}
		return nil
	}
	if s.PreviousLastStart%uint64(s.PreviousLength) != 0 || s.PreviousLastStart > maxTime-maxEpochLength {
		return fmt.Errorf("%w: last start is not a multiple of the previous length", ErrEpoch)
	}
	if s.change()%uint64(s.Length) != 0 {
		return fmt.Errorf("%w: the change of length is not at a start of the new length", ErrEpoch)
	}
	return nil
}

// change returns the first second of the length in force.
func (s Schedule) change() uint64 {
	if s.PreviousLength == 0 {
		return 0
	}
	return s.PreviousLastStart + uint64(s.PreviousLength)
}

// Current returns the epoch at the time now, in unix seconds.
func (s Schedule) Current(now uint64) Epoch {
	if now < s.change() {
		return EpochAt(now, s.PreviousLength)
	}
	return EpochAt(now, s.Length)
}

// Following returns the epoch after the one at the time now.
func (s Schedule) Following(now uint64) Epoch { return s.Current(s.Current(now).End()) }

// Admits returns nil iff e is of a length that s allows at its start; it says
// nothing about the time. An error wraps ErrEpoch.
func (s Schedule) Admits(e Epoch) error {
	if e.IsZero() || s.Current(e.Start) != e {
		return fmt.Errorf("%w: %v is none of this domain's epochs", ErrEpoch, e)
	}
	return nil
}

// Accepts returns nil iff e is one of the schedule's epochs and is accepted at
// the time now, in unix seconds.
func (s Schedule) Accepts(e Epoch, now uint64) error {
	if err := s.Admits(e); err != nil {
		return err
	}
	return e.Covers(now)
}

// Issuable returns nil iff an authority may issue keys of e at the time now:
// the current epoch, or the following one in the current one's last quarter;
// for purpose permit the following one at any time.
func (s Schedule) Issuable(e Epoch, purpose Purpose, now uint64) error {
	current := s.Current(now)
	ahead := purpose == Permit || current.LastQuarter(now)
	if e == current || ahead && e == s.Following(now) {
		return nil
	}
	return fmt.Errorf("%w: %v is not issued now, the current epoch is %v", ErrEpoch, e, current)
}
