package dta_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/spec"
)

// published is what GET /v1/domain answers: here, from the test vectors.
func published() []byte {
	page, err := spec.Load("document")
	if err != nil {
		panic(err)
	}
	answer := map[string][]byte{}
	for _, field := range []string{"document", "signature", "stamp"} {
		if answer[field], err = hex.DecodeString(page.Accept[0][field]); err != nil {
			panic(err)
		}
	}
	b, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return b
}

// Whoever has a domain's fingerprint trusts nothing else: not who sent the
// document, nor how it came.
func Example() {
	pinned, err := identity.ParseDomainID("milagro174qh5u5wx8tz8j0ldemmzkznqjuavgwqwll7n8smpqrvk0le7w7s52uzc3")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := dta.ParsePublished(published())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Verify(pinned); err != nil {
		fmt.Println(err)
		return
	}
	d := p.Document
	fmt.Printf("%s, revision %d: %d of %d authorities make a key\n", d.Domain(), d.Revision(), d.Threshold(), len(d.Authorities()))
	fmt.Println("fresh a week later:", p.Fresh(1_700_013_600+7*86_400) == nil)
	fmt.Println("fresh a month later:", p.Fresh(1_700_013_600+30*86_400) == nil)
	// Output:
	// example.org, revision 1: 2 of 2 authorities make a key
	// fresh a week later: true
	// fresh a month later: false
}
