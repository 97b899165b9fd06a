package idtls_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"milagro.dev/idtls"
)

// An HTTP handler learns who asks by PeerOf. The client's URL says where the
// server is; who it must be, the Authorizer says.
func Example_http() {
	web, api := exampleSources()
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := idtls.PeerOf(*r.TLS)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, "hello %v over %s", peer.Name, r.Proto)
	})
	server := must(idtls.Server(greet, api, idtls.Exactly(name("spiffe://example.org/web"))))
	defer server.Close()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go server.ServeTLS(listener, "", "")

	transport := must(idtls.Transport(web, idtls.Exactly(name("spiffe://example.org/api"))))
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(string(must(io.ReadAll(response.Body))))
	// Output: hello spiffe://example.org/web over HTTP/2.0
}
