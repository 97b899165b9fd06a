package store

import (
	"bytes"
	"io"
	"io/fs"
	"regexp"
)

// blob is the one word of our migrations that PostgreSQL spells otherwise.
var blob = regexp.MustCompile(`\bBLOB\b`)

// bytea is the migrations as PostgreSQL reads them: the files of migrations/
// are in SQLite's dialect, and every word BLOB becomes BYTEA.
type bytea struct{ fs.FS }

// Open opens the file name with its text rewritten.
func (b bytea) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &rewritten{File: f, text: bytes.NewReader(blob.ReplaceAll(text, []byte("BYTEA")))}, nil
}

// rewritten is a file with another text; Stat still gives the old length.
type rewritten struct {
	fs.File
	text *bytes.Reader
}

func (r *rewritten) Read(p []byte) (int, error) { return r.text.Read(p) }
