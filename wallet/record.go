package wallet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"milagro.dev/identity"
)

// Records are what a wallet remembers that is no key: one line of JSON and its
// SHA-256 in hexadecimal in the next. A person can read them; a damaged disk
// cannot go unnoticed, as in a watermark it would.
type record interface {
	pinRecord | enrolmentRecord | watermarkRecord | loginRecord | statementRecord | denyRecord
	format() string
}

// pinRecord is why a domain is trusted.
type pinRecord struct {
	Format      string            `json:"format"`
	Domain      string            `json:"domain"`
	Fingerprint identity.DomainID `json:"fingerprint"`
	URL         string            `json:"url"`
}

func (pinRecord) format() string { return "milagro/v1 wallet pin" }

// enrolmentRecord is written before a name's first request: it says for what
// the authorities were asked, not what they granted.
type enrolmentRecord struct {
	Format   string             `json:"format"`
	Name     identity.Name      `json:"name"`
	Device   string             `json:"device"`
	Purposes []identity.Purpose `json:"purposes"`
}

func (enrolmentRecord) format() string { return "milagro/v1 wallet enrolment" }

// watermarkRecord is the highest channel epoch that was in use in a domain.
type watermarkRecord struct {
	Format string `json:"format"`
	Start  uint64 `json:"start"`
	Length uint32 `json:"length"`
}

func (watermarkRecord) format() string { return "milagro/v1 wallet watermark" }

// loginRecord is written when the first token of a login is stored. Active and
// Pending name the keys, each a directory beside it: Active logs in; Pending has its
// token and waits for its first login, upon which it takes Active's place.
type loginRecord struct {
	Format  string        `json:"format"`
	Name    identity.Name `json:"name"`
	Service string        `json:"service"`
	As      string        `json:"as,omitempty"`
	To      string        `json:"to,omitempty"`
	Address string        `json:"address,omitempty"`
	Active  string        `json:"active,omitempty"`
	Pending string        `json:"pending,omitempty"`
}

func (loginRecord) format() string { return "milagro/v1 wallet login" }

// statementRecord is what a login server said of the last login.
type statementRecord struct {
	Format    string `json:"format"`
	Statement string `json:"statement"`
	Expires   uint64 `json:"expires"`
}

func (statementRecord) format() string { return "milagro/v1 wallet statement" }

func encodeRecord[T record](r T) ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(line)
	return fmt.Appendf(nil, "%s\n%s\n", line, hex.EncodeToString(sum[:])), nil
}

// decodeRecord accepts exactly what encodeRecord writes.
func decodeRecord[T record](b []byte) (T, error) {
	var r, zero T
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return zero, err
	}
	if head.Format != r.format() {
		return zero, fmt.Errorf("its format is %q, not %q", head.Format, r.format())
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return zero, err
	}
	again, err := encodeRecord(r)
	if err != nil {
		return zero, err
	}
	if !bytes.Equal(again, b) {
		return zero, errors.New("its checksum or its spelling is wrong")
	}
	return r, nil
}

// readRecord reads the record at path; it is fs.ErrNotExist when there is none.
func readRecord[T record](d disk, path string) (T, error) {
	b, err := d.read(path)
	if err != nil {
		return *new(T), err
	}
	r, err := decodeRecord[T](b)
	if err != nil {
		return r, damaged(path, err)
	}
	return r, nil
}

func writeRecord[T record](d disk, path string, r T) error {
	b, err := encodeRecord(r)
	if err != nil {
		return fileError(path, err)
	}
	return d.replace(path, b)
}
