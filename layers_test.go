package milagro_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "milagro.dev/"

// rows says on which layer each package stands: it imports only lower rows
// (doc/architecture.md "Layers"). A package that is not here fails the test:
// it gets a row before it gets code.
var rows = map[string]int{
	"cmd/milagro": 8, "bench": 8, "spec/generate": 8, "test/mutants": 8,

	"internal/authority/authoritytest": 7, "internal/login/logintest": 7, "internal/mail/mailtest": 7,

	"internal/agent": 6, "internal/authority": 6, "internal/login": 6, "internal/proxy": 6,

	"wallet": 5, "internal/ceremony": 5, "internal/bridge": 5, "internal/oidc": 5, "internal/mail/mailcatch": 5,

	"dta": 4, "idtls": 4, "internal/mail": 4,

	"ibs": 3, "mpin": 3, "internal/dkg": 3, "internal/custody": 3, "internal/store/postgrestest": 3,

	"keys": 2, "internal/store": 2,

	"identity": 1, "internal/vss": 1, "spec/spectest": 1,

	"internal/pairing": 0, "internal/encoding": 0, "internal/config": 0, "internal/problem": 0,
	"internal/systemd": 0, "internal/telemetry": 0, "internal/webserver": 0, "internal/words": 0, "spec": 0, "web": 0,
}

// pure packages are machines: a message in, a message out. They know no clock,
// no network, no disk and no log.
var pure = []string{"identity", "keys", "ibs", "mpin", "internal/pairing", "internal/encoding", "internal/vss", "internal/dkg"}

var impure = []string{"context", "log", "log/slog", "math/big", "math/rand", "math/rand/v2", "net", "net/http", "os", "time"}

// curves are the libraries that internal/pairing alone may import.
var curves = []string{"github.com/supranational/blst", "github.com/cloudflare/circl"}

func TestPackagesImportOnlyLowerLayers(t *testing.T) {
	for pkg, imports := range importsByPackage(t) {
		row, known := rows[pkg]
		if !known {
			t.Errorf("%s has no row in layers_test.go", pkg)
			continue
		}
		for _, path := range imports {
			below, ours := strings.CutPrefix(path, module)
			if ours && rows[below] >= row {
				t.Errorf("%s (row %d) imports %s (row %d)", pkg, row, below, rows[below])
			}
		}
	}
}

func TestEveryRowHasItsPackage(t *testing.T) {
	packages := importsByPackage(t)
	for pkg := range rows {
		if _, ok := packages[pkg]; !ok {
			t.Errorf("%s has a row and no code", pkg)
		}
	}
}

func TestPurePackagesKnowNoOutside(t *testing.T) {
	packages := importsByPackage(t)
	for _, pkg := range pure {
		for _, path := range packages[pkg] {
			if slices.Contains(impure, path) {
				t.Errorf("%s is pure and imports %s", pkg, path)
			}
		}
	}
}

func TestOnlyPairingImportsACurveLibrary(t *testing.T) {
	for pkg, imports := range importsByPackage(t) {
		for _, path := range imports {
			foreign := slices.ContainsFunc(curves, func(c string) bool { return strings.HasPrefix(path, c) })
			if foreign && pkg != "internal/pairing" && pkg != "bench" {
				t.Errorf("%s imports %s", pkg, path)
			}
		}
	}
}

// local are the libraries of the Workload API, which internal/bridge alone may
// import (doc/adr/0006-grpc-for-the-workload-api-only.md).
var local = []string{"google.golang.org/grpc", "google.golang.org/protobuf", "github.com/spiffe/go-spiffe"}

func TestOnlyTheBridgeImportsGRPC(t *testing.T) {
	for pkg, imports := range importsByPackage(t) {
		for _, path := range imports {
			foreign := slices.ContainsFunc(local, func(l string) bool { return strings.HasPrefix(path, l) })
			if foreign && pkg != "internal/bridge" && pkg != "bench" {
				t.Errorf("%s imports %s", pkg, path)
			}
		}
	}
}

// importsByPackage returns the direct imports of every package's non-test
// files, whatever their build tags.
func importsByPackage(t *testing.T) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		packages[pkg] = append(packages[pkg], importPaths(t, file.Imports)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func importPaths(t *testing.T, specs []*ast.ImportSpec) []string {
	t.Helper()
	var paths []string
	for _, s := range specs {
		path, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}
