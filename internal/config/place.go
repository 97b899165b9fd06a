package config

import (
	"os"
	"strings"
)

// Place is one table of a list of tables in a file that Load has read.
type Place struct {
	Path  string // of the file
	List  string // the name in [[name]]
	Index int    // from 0
}

// Error returns what is wrong with a key of the table, with the line of the key, or
// that of the table's head if the key is not there or empty.
func (p Place) Error(key, reason, hint string) *Error {
	e := &Error{Source: p.Path, Line: p.line(key), Key: p.List, Reason: reason, hint: hint}
	if key != "" {
		e.Key += "." + key
	}
	return e
}

// line looks through the file, as people do; 0 if it is not found.
func (p Place) line(key string) int {
	text, err := os.ReadFile(p.Path)
	if err != nil {
		return 0
	}
	head, tables, number := 0, 0, 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.Join(strings.Fields(line), "")
		switch {
		case strings.HasPrefix(line, "[["+p.List+"]]"):
			if tables++; tables == p.Index+1 {
				head = number
			}
		case strings.HasPrefix(line, "[") && head > 0:
			return head
		case tables == p.Index+1 && key != "" && (strings.HasPrefix(line, key+"=") || strings.HasPrefix(line, `"`+key+`"=`)):
			return number
		}
		if tables > p.Index+1 {
			return head
		}
	}
	return head
}
