package wallet_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/wallet"
)

// A service obtains its name's key from three authorities and keeps it renewed.
// The fingerprint and the codes come from people: one code from the operator of
// each authority.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	domain := must(authoritytest.Make(ctx, authoritytest.Config{}))
	defer domain.Close()
	dir := must(os.MkdirTemp("", "wallet"))
	defer os.RemoveAll(dir)
	name := must(identity.ParseName("spiffe://example.org/web"))
	fingerprint := domain.Published.Document.ID()
	codes := must(domain.Register(ctx, name, identity.Channel))

	w, err := wallet.Open(wallet.Config{Dir: filepath.Join(dir, "wallet")})
	if err != nil {
		log.Fatal(err)
	}
	document, err := w.Pin(ctx, domain.Members[0].URL(), fingerprint)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("pinned", document.Domain(), "revision", document.Revision())
	report, err := w.Enrol(ctx, name, identity.Channel, codes)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range report.Keys[0].Authorities {
		fmt.Println(a.Name, a.Outcome)
	}
	go w.Keep(ctx, name)     // for as long as the service runs
	source := w.Source(name) // for idtls.Dial, Listen, Transport or Server
	credential, err := source.Credential()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("holds the key of", credential.Name)
	// Output:
	// pinned example.org revision 1
	// operator 1 ok
	// operator 2 ok
	// operator 3 ok
	// holds the key of spiffe://example.org/web
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
