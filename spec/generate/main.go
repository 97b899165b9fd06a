// Command generate writes the test vectors of the specification into
// spec/vectors. It draws nothing at random: what an implementation draws comes
// from seeds here, so that the same vectors come out every time.
//
//	go run ./spec/generate
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"milagro.dev/spec"
)

// pages makes each file of vectors; a page's author adds a line.
var pages = map[string]func() (*spec.Page, error){
	"encoding":    encodingPage,
	"groups":      groupsPage,
	"names":       namesPage,
	"devices":     devicesPage,
	"domains":     domainsPage,
	"epochs":      epochsPage,
	"points":      pointsPage,
	"shares":      sharesPage,
	"proofs":      proofsPage,
	"ibs":         ibsPage,
	"ceremony":    ceremonyPage,
	"document":    documentPage,
	"revocations": revocationsPage,
	"issuance":    issuancePage,
	"idtls":       idtlsPage,
	"mpin":        mpinPage,
	"enrolment":   enrolmentPage,
}

func main() {
	if err := run("spec/vectors"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		b, err := render(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func render(name string) ([]byte, error) {
	page, err := pages[name]()
	if err != nil {
		return nil, err
	}
	page.Page = name
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err = enc.Encode(page)
	return b.Bytes(), err
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// refused copies c with the changes given as name, value, … and a reason.
func refused(c spec.Case, reason string, changes ...string) spec.Case {
	r := maps.Clone(c)
	for i := 0; i+1 < len(changes); i += 2 {
		r[changes[i]] = changes[i+1]
	}
	r["reason"] = reason
	return r
}

// flipped alters one bit in the middle of hexadecimal text.
func flipped(text string) string {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	b[len(b)/2] ^= 1
	return hexOf(b)
}
