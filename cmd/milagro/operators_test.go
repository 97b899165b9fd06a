package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestOperatorsPage holds the settings and the command lines of doc/operators.md
// against the program.
func TestOperatorsPage(t *testing.T) {
	page := readPage(t, "../../doc/operators.md")
	files := blocks(page, "toml")
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	path := filepath.Join(t.TempDir(), "login.toml")
	writeFile(t, path, files[0])
	settings, err := loadLoginSettings(loginServeCommand(), path)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := loginOperators(settings.Operators); err != nil || len(all) != 2 || all[1].Name != "ben" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, match := range regexp.MustCompile("(?m)^(?:milagro )?((?:login|dta|ceremony) [a-z]+)|`((?:milagro )?(?:login|dta|ceremony) [a-z]+)").FindAllStringSubmatch(page, -1) {
		line := strings.Fields(strings.TrimPrefix(match[1]+match[2], "milagro "))
		if cmd, _, err := newRoot().Find(line); err != nil || cmd.Name() != line[1] {
			t.Errorf("%v: %v", line, err)
		}
	}
}
