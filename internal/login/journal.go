package login

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/custody"
)

// journal is a file of all revocations beside the database, so that a database from
// a backup revives nobody: it is applied at every start, before anybody is served.
// An entry is one line,
//
//	unix seconds SPACE service SPACE device SPACE name NEWLINE
//
// the two in hexadecimal digits. It only grows. A last line without its end is from
// a crash in the middle of a write, before anything else was done, and is cut off.
type journal struct {
	path string

	mu      sync.Mutex // of all below
	file    *os.File
	entries map[subject]bool
}

// openJournal reads the journal in dir; a missing one is empty. An error wraps
// custody.ErrDamaged if a line is none.
func openJournal(dir string) (*journal, error) {
	j := &journal{path: filepath.Join(dir, journalFile), entries: map[subject]bool{}}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j.file = f
	if err := j.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", j.path, err), f.Close())
	}
	return j, nil
}

func (j *journal) load() error {
	text, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for n, line := range strings.Split(string(text[:whole]), "\n") {
		if line == "" {
			continue
		}
		who, err := parseEntry(line)
		if err != nil {
			return withHint(fmt.Errorf("%w: line %d: %w", custody.ErrDamaged, n+1, err), "put a copy of the file in its place, or correct the line: who is in it stays revoked")
		}
		j.entries[who] = true
	}
	if whole < len(text) {
		if err := errors.Join(j.file.Truncate(int64(whole)), j.file.Sync()); err != nil {
			return err
		}
	}
	_, err = j.file.Seek(int64(whole), io.SeekStart)
	return err
}

func parseEntry(line string) (subject, error) {
	fields := strings.Split(line, " ")
	if len(fields) != 4 {
		return subject{}, errors.New("not four fields")
	}
	if _, err := strconv.ParseInt(fields[0], 10, 64); err != nil {
		return subject{}, errors.New("no time")
	}
	service, err := hex.DecodeString(fields[1])
	if err != nil || len(service) != len(identity.ServiceID{}) {
		return subject{}, errors.New("no service")
	}
	device, err := identity.ParseDeviceHash(fields[2])
	if err != nil {
		return subject{}, err
	}
	name, err := identity.ParseName(fields[3])
	if err != nil {
		return subject{}, err
	}
	return subject{identity.ServiceID(service), name.String(), device}, nil
}

// add appends who is not in the journal and returns when that is durable.
func (j *journal) add(now time.Time, who ...subject) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var text strings.Builder
	var fresh []subject
	for _, s := range who {
		if !j.entries[s] {
			fmt.Fprintf(&text, "%d %x %s %s\n", now.Unix(), s.service, s.device, s.name)
			fresh = append(fresh, s)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	at, err := j.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = j.file.WriteString(text.String())
	if err := errors.Join(err, j.file.Sync()); err != nil {
		return errors.Join(err, j.file.Truncate(at)) // a line that is not whole must not be followed by others
	}
	for _, s := range fresh {
		j.entries[s] = true
	}
	return nil
}

// all returns who is revoked.
func (j *journal) all() []subject {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]subject, 0, len(j.entries))
	for s := range j.entries {
		list = append(list, s)
	}
	return list
}

func (j *journal) close() error { return j.file.Close() }
