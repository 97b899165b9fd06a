package milagro_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const requirements = 57

var (
	requirementRow = regexp.MustCompile(`(?m)^\| R(\d+) \|(.*)\|$`)
	goTest         = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz|Example)\\w+)`")
	nodeTest       = regexp.MustCompile("`((?:sdk/js|test/browser)/[\\w./-]+): ([^`]+)`")
)

// TestRequirementsNameExistingTests holds doc/requirements.md against the
// code: each of R1…R57 is there once and names tests that exist, or says "not
// yet".
func TestRequirementsNameExistingTests(t *testing.T) {
	page, err := os.ReadFile("doc/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, row := range requirementRow.FindAllStringSubmatch(string(page), -1) {
		number, err := strconv.Atoi(row[1])
		if err != nil || number < 1 || number > requirements || seen[number] {
			t.Errorf("row R%s is not one of R1…R%d, or stands twice", row[1], requirements)
		}
		seen[number] = true
		named := goTest.FindAllStringSubmatch(row[2], -1)
		for _, test := range named {
			if !testExists(t, test[1], test[2]) {
				t.Errorf("R%d: %s.%s does not exist", number, test[1], test[2])
			}
		}
		if len(named) == 0 && !strings.Contains(row[2], "not yet") {
			t.Errorf("R%d names no test and does not say \"not yet\"", number)
		}
		checkNodeTests(t, number, row[2])
	}
	if len(seen) != requirements {
		t.Errorf("%d requirements have a row, %d must", len(seen), requirements)
	}
}

// TestSpecNamesExistingTests holds the tables of enemies in spec/ against the
// code: every test that they name exists.
func TestSpecNamesExistingTests(t *testing.T) {
	pages, err := filepath.Glob("spec/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("pages %v, error %v", pages, err)
	}
	for _, path := range pages {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range goTest.FindAllStringSubmatch(string(page), -1) {
			if !testExists(t, test[1], test[2]) {
				t.Errorf("%s: %s.%s does not exist", path, test[1], test[2])
			}
		}
	}
}

func checkNodeTests(t *testing.T, number int, row string) {
	t.Helper()
	for _, test := range nodeTest.FindAllStringSubmatch(row, -1) {
		source, err := os.ReadFile(test[1])
		if err != nil || !strings.Contains(string(source), test[2]) {
			t.Errorf("R%d: %s has no test %q", number, test[1], test[2])
		}
	}
}

// testExists looks for a test function in the package's folder; a package may
// be named without internal/ and cmd/, and the module's root is milagro too.
func testExists(t *testing.T, pkg, name string) bool {
	t.Helper()
	dirs := []string{pkg, "internal/" + pkg, "cmd/" + pkg}
	if pkg == "milagro" {
		dirs = append(dirs, ".")
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(dir + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if declares(file, name) {
				return true
			}
		}
	}
	return false
}

func declares(file *ast.File, name string) bool {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
			return true
		}
	}
	return false
}
