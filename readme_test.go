package milagro_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// importer is the least program that uses the module.
const importer = `package main

import (
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

func main() {
	name, err := identity.ParseName("spiffe://example.org/web")
	if err != nil {
		panic(err)
	}
	authorize := idtls.Exactly(name)
	fmt.Println(name, authorize(idtls.Peer{Name: name}) == nil)
}
`

// TestModuleIsUsableAsTheREADMESays does in an empty module what the README
// says, word for word but for the path, and runs a program there.
func TestModuleIsUsableAsTheREADMESays(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(go mod edit.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no block with go mod edit")
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(importer), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := "set -e\ngo mod init example.org/importer\n" + strings.ReplaceAll(string(block[1]), "/path/to/milagro", "'"+root+"'") + "go run .\n"
	cmd := exec.Command("sh", "-c", steps)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "spiffe://example.org/web true\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPicturesAreShown finds every picture of doc/img on a page, and no other there.
func TestPicturesAreShown(t *testing.T) {
	pictures, err := filepath.Glob("doc/img/*")
	if err != nil || len(pictures) == 0 {
		t.Fatalf("%d pictures: %v", len(pictures), err)
	}
	pages, err := filepath.Glob("doc/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, page := range append(pages, "README.md") {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	for _, picture := range pictures {
		if !strings.Contains(text.String(), "img/"+filepath.Base(picture)) {
			t.Errorf("%s is on no page", picture)
		}
	}
	for _, shown := range regexp.MustCompile(`img/([\w-]+\.(?:png|svg))`).FindAllStringSubmatch(text.String(), -1) {
		if !slices.Contains(pictures, filepath.Join("doc/img", shown[1])) {
			t.Errorf("there is no picture %s", shown[1])
		}
	}
}
