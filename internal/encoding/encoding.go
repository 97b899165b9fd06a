// Package encoding is the one way in which Milagro turns fields into bytes and
// bytes back into fields (spec/encoding.md).
//
// Everything that is hashed, signed, sealed or sent is an LP string: each part
// preceded by its length in four bytes, big-endian, the first part a label that
// names the use. Two different lists of parts never give the same bytes, and
// two uses never share a label, so no signature or hash can be carried from one
// use to another.
//
// Reader is the strict inverse: it accepts exactly what LP writes, in the
// order asked for, and nothing after it.
package encoding

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxPart is the largest length of one part, in bytes. It bounds what a
// decoder of hostile bytes will ever look at.
const MaxPart = 1 << 24

// ErrEncoding is wrapped by every error of a Reader: the bytes are not the LP
// string that was asked for.
var ErrEncoding = errors.New("malformed bytes")

// LP returns label and parts, each preceded by its length as four bytes,
// big-endian (spec/encoding.md "LP"). It panics on a part longer than MaxPart,
// which only a bug in the caller can produce.
func LP(label string, parts ...[]byte) []byte {
	size := 4 + len(label)
	for _, p := range parts {
		size += 4 + len(p)
	}
	out := make([]byte, 0, size)
	out = appendPart(out, []byte(label))
	for _, p := range parts {
		out = appendPart(out, p)
	}
	return out
}

func appendPart(out, part []byte) []byte {
	if len(part) > MaxPart {
		panic("encoding: part longer than MaxPart")
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
	return append(out, part...)
}

// List returns parts as one LP string without a label, for use as a single
// part of another: a list inside a message.
func List(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = appendPart(out, p)
	}
	return out
}

// U8 returns v as one byte.
func U8(v uint8) []byte { return []byte{v} }

// U32 returns v as four bytes, big-endian: the width of every index.
func U32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// U64 returns v as eight bytes, big-endian: the width of every other integer.
func U64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// Reader takes an LP string apart, part by part. The first thing that does
// not fit is remembered, every later read returns a zero value, and Close
// reports it: a decoder reads all its fields and checks once.
type Reader struct {
	rest []byte
	err  error
}

// Open begins to read b, whose first part must be label.
func Open(b []byte, label string) *Reader {
	r := &Reader{rest: b}
	if got := r.part(len(label)); r.err == nil && string(got) != label {
		r.fail("label is not %q", label)
	}
	return r
}

// OpenList begins to read b, which List has written.
func OpenList(b []byte) *Reader { return &Reader{rest: b} }

// Bytes reads a part of at most max bytes and returns a copy of it.
func (r *Reader) Bytes(max int) []byte { return slices.Clone(r.part(max)) }

// Fixed reads a part of exactly n bytes and returns a copy of it, or n zero
// bytes once the Reader has failed, so that callers may convert to an array.
func (r *Reader) Fixed(n int) []byte {
	p := r.part(n)
	if r.err == nil && len(p) != n {
		r.fail("part of %d bytes where %d belong", len(p), n)
	}
	if r.err != nil {
		return make([]byte, n)
	}
	return slices.Clone(p)
}

// String reads a part of at most max bytes that must be UTF-8.
func (r *Reader) String(max int) string {
	p := r.part(max)
	if r.err == nil && !utf8.Valid(p) {
		r.fail("text is not UTF-8")
		return ""
	}
	return string(p)
}

// U8 reads a part of one byte.
func (r *Reader) U8() uint8 { return r.Fixed(1)[0] }

// U32 reads a part of four bytes, big-endian.
func (r *Reader) U32() uint32 { return binary.BigEndian.Uint32(r.Fixed(4)) }

// U64 reads a part of eight bytes, big-endian.
func (r *Reader) U64() uint64 { return binary.BigEndian.Uint64(r.Fixed(8)) }

// List reads a part written by the function List and returns its parts: at
// most count of them, each at most max bytes.
func (r *Reader) List(count, max int) [][]byte {
	inner := OpenList(r.part(MaxPart))
	var parts [][]byte
	for r.err == nil && inner.err == nil && len(inner.rest) > 0 {
		if len(parts) == count {
			r.fail("list of more than %d parts", count)
			return nil
		}
		parts = append(parts, inner.Bytes(max))
	}
	if r.err == nil {
		r.err = inner.err
	}
	return parts
}

// More reports whether parts are left to read. It is false once the Reader
// has failed.
func (r *Reader) More() bool { return r.err == nil && len(r.rest) > 0 }

// Fail makes the Reader fail with err, for a field that was read but does not
// parse; an earlier failure is kept and a nil err changes nothing.
func (r *Reader) Fail(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("%w: %w", ErrEncoding, err)
	}
}

// Err returns the first failure so far, or nil.
func (r *Reader) Err() error { return r.err }

// Close returns the first failure, or an error if bytes are left over.
func (r *Reader) Close() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	return r.err
}

// part returns the next part without copying it.
func (r *Reader) part(max int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.rest) < 4 {
		r.fail("truncated")
		return nil
	}
	n := binary.BigEndian.Uint32(r.rest)
	if n > MaxPart || int(n) > max {
		r.fail("part of %d bytes where at most %d belong", n, min(max, MaxPart))
		return nil
	}
	if len(r.rest)-4 < int(n) {
		r.fail("truncated")
		return nil
	}
	p := r.rest[4 : 4+n]
	r.rest = r.rest[4+n:]
	return p
}

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrEncoding}, args...)...)
	}
}
