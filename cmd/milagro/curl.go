package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
	"milagro.dev/idtls"
)

func curlCommand() *cobra.Command {
	cmd := addWallet(&cobra.Command{
		Use: "curl --as NAME --to NAME URL", Short: "make one HTTPS request over identity TLS", Args: exactly("URL"),
		Example: "  milagro curl --as spiffe://example.org/web --to spiffe://example.org/api https://10.0.0.7:8443/v1/orders",
		Long: `Make one request as a name that the wallet has enrolled. Who must be at the other
end is --to; the host in the URL only says where to find it. The body of the answer
goes to stdout; a status of 400 or more is a failure.`,
	})
	as := cmd.Flags().String("as", "", "the name to speak as (required)")
	to := cmd.Flags().String("to", "", "the name that must answer (required)")
	method := cmd.Flags().String("method", http.MethodGet, "HTTP method")
	body := cmd.Flags().String("body", "", "file with the request's body ('-' for stdin)")
	timeout := cmd.Flags().Duration("timeout", 30*time.Second, "for the whole request")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *as == "" || *to == "" {
			return usagef(cmd, "%s: --as and --to are required: a connection is between two names", cmd.CommandPath())
		}
		content, closeBody, err := curlBody(cmd, *body)
		if err != nil {
			return err
		}
		defer closeBody()
		if !strings.HasPrefix(args[0], "https://") {
			return usagef(cmd, "%s: the URL begins with https://", cmd.CommandPath())
		}
		request, err := http.NewRequestWithContext(cmd.Context(), *method, args[0], content)
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		c, err := curlCaller(cmd, *as, *to, args[0])
		if err != nil {
			return err
		}
		transport, err := idtls.Transport(c.source, idtls.Exactly(c.to))
		if err != nil {
			return err
		}
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport, Timeout: *timeout}).Do(request)
		if err != nil {
			return c.why(cmd.Context(), err)
		}
		return printBody(response, cmd.OutOrStdout())
	}
	return cmd
}

func curlBody(cmd *cobra.Command, path string) (io.Reader, func() error, error) {
	nothing := func() error { return nil }
	switch path {
	case "":
		return nil, nothing, nil
	case "-":
		return cmd.InOrStdin(), nothing, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nothing, err
	}
	return f, f.Close, nil
}

func curlCaller(cmd *cobra.Command, as, to, url string) (c caller, err error) {
	self, err := identity.ParseName(as)
	if err != nil {
		return c, usagef(cmd, "--as: %w", err)
	}
	peer, err := identity.ParseName(to)
	if err != nil {
		return c, usagef(cmd, "--to: %w", err)
	}
	w, err := openWallet(cmd)
	if err != nil {
		return c, err
	}
	source := w.Source(self)
	if _, err := source.Credential(); err != nil {
		return c, withHint(enrolFirst(err), "'milagro renew NAME' gets the key of this epoch")
	}
	return caller{source: source, to: peer, url: url}, nil
}

// printBody copies an answer's body to out and refuses what HTTP calls an error.
func printBody(response *http.Response, out io.Writer) error {
	defer response.Body.Close()
	if _, err := io.Copy(out, response.Body); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s answered %s", response.Request.URL, response.Status)
	}
	return nil
}
