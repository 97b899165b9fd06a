package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root makes the module's root the working directory, as the command wants it.
func root(t *testing.T) {
	t.Helper()
	t.Chdir("../..")
}

// TestEveryMutantStandsInItsRow holds doc/requirements.md against the mutants:
// a row names those of its requirement and no others.
func TestEveryMutantStandsInItsRow(t *testing.T) {
	root(t)
	page, err := os.ReadFile("doc/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, m := range mutants {
		want[m.requirement] = append(want[m.requirement], m.name)
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (R\d+) \|.*\| (.*) \| .*\|$`).FindAllStringSubmatch(string(page), -1) {
		named := slices.DeleteFunc(strings.Split(row[2], "; "), func(s string) bool { return s == "" })
		slices.Sort(named)
		slices.Sort(want[row[1]])
		if !slices.Equal(named, want[row[1]]) {
			t.Errorf("%s names %q, its mutants are %q", row[1], named, want[row[1]])
		}
		delete(want, row[1])
	}
	for requirement, names := range want {
		t.Errorf("no row %s for %q", requirement, names)
	}
}

// TestEveryMutantFitsTheCode sees without running them which mutants a change
// of the code has blunted: the line is there once, and so is the test.
func TestEveryMutantFitsTheCode(t *testing.T) {
	root(t)
	if len(mutants) < 30 {
		t.Errorf("%d mutants, R56 wants 30", len(mutants))
	}
	seen := map[string]bool{}
	for _, m := range mutants {
		if _, _, err := m.broken(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if !declared(t, m) {
			t.Errorf("%s: %s has no %s", m.name, m.pkg, m.test)
		}
		if seen[m.name] || m.old == m.new {
			t.Errorf("%s: the name stands twice, or the line is not broken", m.name)
		}
		seen[m.name] = true
	}
}

func declared(t *testing.T, m mutant) bool {
	t.Helper()
	if m.inNode() {
		source, err := os.ReadFile(m.pkg)
		file := strings.TrimSuffix(strings.TrimPrefix(m.test, "vectors/"), ".json")
		return err == nil && (strings.Contains(string(source), "\ntest('"+m.test+"'") || strings.Contains(string(source), "\nrunFile('"+file+"'"))
	}
	files, err := filepath.Glob(filepath.Join(m.pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(path string) bool {
		source, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(source), "\nfunc "+m.test+"(t *testing.T)")
	})
}
