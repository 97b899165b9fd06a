package authority

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// loader returns what reads a JWKS from its place, a path or a URL.
func loader(place string, client *http.Client) func(context.Context) ([]byte, error) {
	if filepath.IsAbs(place) {
		return func(context.Context) ([]byte, error) { return readKeySet(place) }
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context) ([]byte, error) { return fetchKeySet(ctx, &direct, place) }
}

func readKeySet(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bounded(path, f)
}

func fetchKeySet(ctx context.Context, client *http.Client, place string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", place, response.Status)
	}
	return bounded(place, response.Body)
}

// bounded reads all of r, which comes from place, if it is no longer than a key set.
func bounded(place string, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err == nil && len(b) > maxKeySet {
		err = fmt.Errorf("longer than %d bytes", maxKeySet)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return b, nil
}

// CheckKeys reads the keys where they are in a file, and says what is wrong with it.
// Where they are behind a URL it does nothing: an issuer may be down.
func (r TokenRoot) CheckKeys() error {
	if !filepath.IsAbs(r.Keys) {
		return nil
	}
	b, err := readKeySet(r.Keys)
	if err != nil {
		return err
	}
	if _, err := parseKeySet(b); err != nil {
		return fmt.Errorf("%s: %w", r.Keys, err)
	}
	return nil
}
