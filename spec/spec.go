// Package spec carries the test vectors of the specification, so that every
// package checks itself against the same bytes as implementations in other
// languages do.
package spec

import (
	"embed"
	"encoding/json"
	"fmt"
)

//go:embed vectors/*.json
var vectors embed.FS

// Page is one file of vectors. About tells what the fields of its cases mean.
type Page struct {
	Page   string `json:"page"`
	About  string `json:"about"`
	Accept []Case `json:"accept"`
	Refuse []Case `json:"refuse"`
}

// Case is one vector: its fields by name. A case to refuse has a field
// "reason".
type Case map[string]string

// Load returns the vectors of a page, such as "points".
func Load(page string) (*Page, error) {
	b, err := vectors.ReadFile("vectors/" + page + ".json")
	if err != nil {
		return nil, err
	}
	var p Page
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("vectors %s: %w", page, err)
	}
	return &p, nil
}
