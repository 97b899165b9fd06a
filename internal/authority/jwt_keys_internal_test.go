package authority

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/internal/problem"
)

func TestKeySetsPassOverWhatIsOfNoUse(t *testing.T) {
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 9000, 1), E: 65537}
	one := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 1}
	good, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	var raw []string
	for _, k := range []jose.JSONWebKey{
		{Key: weak, KeyID: "weak"}, {Key: huge, KeyID: "huge"}, {Key: one, KeyID: "one"}, {Key: p521.Public(), KeyID: "p521"}, {Key: good, KeyID: "private"},
		{Key: []byte("secret"), KeyID: "oct"}, {Key: good.Public(), KeyID: "enc", Use: "enc"}, {Key: good.Public()},
		{Key: good.Public(), KeyID: "other", Algorithm: "ES384"}, {Key: good.Public(), KeyID: "good", Use: "sig"},
	} {
		b, err := k.MarshalJSON()
		if err != nil {
			t.Logf("%s cannot be written: %v", k.KeyID, err)
			continue
		}
		raw = append(raw, string(b))
	}
	raw = append(raw, `{"kty":"XYZ","kid":"strange"}`, `7`, `null`)
	set, err := parseKeySet([]byte(`{"keys":[` + strings.Join(raw, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, kid := range []string{"weak", "huge", "one", "p521", "private", "oct", "enc", "", "other", "strange"} {
		for alg := range tokenAlgorithms {
			if len(set.find(kid, alg)) > 0 && (kid != "other" || alg != "ES384") {
				t.Errorf("key %q serves for %s", kid, alg)
			}
		}
	}
	if len(set.find("good", "ES256")) != 1 || len(set.find("good", "RS256")) != 0 {
		t.Error("the good key serves otherwise")
	}
}

func TestKeySetsRefuse(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "no keys": `{"keys":[]}`, "a list": `[]`, "HTML": "<html>", "keys twice": `{"keys":[],"keys":[]}`,
		"too many": `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`} {
		if _, err := parseKeySet([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestHostileKeyServersAreEndured has servers that send too much, nothing, or send
// elsewhere.
func TestHostileKeyServersAreEndured(t *testing.T) {
	good := mustSet(t, aKey(t))
	var elsewhere atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { elsewhere.Add(1); w.Write(good) }))
	defer target.Close()
	for name, handler := range map[string]http.HandlerFunc{
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 12 {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<10)); err != nil {
					return
				}
			}
			w.Write(good)
		},
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) },
		"not found": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound); w.Write(good) },
		"cut short": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9999"); w.Write(good) },
	} {
		server := httptest.NewServer(handler)
		ring := ringOf(loader(server.URL, new(http.Client)))
		if keys, err := ring.find(t.Context(), "a", "ES256"); !errors.Is(err, problem.Unavailable) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
		server.Close()
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestSlowKeyServerHoldsUpOneRequestForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, slow := mustSet(t, aKey(t)), false
		ring := ringOf(func(ctx context.Context) ([]byte, error) {
			if slow {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return set, nil
		})
		if _, err := ring.find(t.Context(), "a", "ES256"); err != nil {
			t.Fatal(err)
		}
		slow = true
		time.Sleep(keysFresh)
		begun := time.Now()
		go ring.find(t.Context(), "a", "ES256")
		synctest.Wait()
		// Others have the key at once; a stranger's unknown one waits no longer.
		if _, err := ring.find(t.Context(), "a", "ES256"); err != nil || time.Since(begun) != 0 {
			t.Errorf("a known key after %v: %v", time.Since(begun), err)
		}
		if _, err := ring.find(t.Context(), "b", "ES256"); !errors.Is(err, problem.TokenRefused) || time.Since(begun) != keysTimeout {
			t.Errorf("an unknown key after %v: %v", time.Since(begun), err)
		}
	})
}

func TestWhoGoesAwayDoesNotEndTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := mustSet(t, aKey(t))
		ring := ringOf(func(ctx context.Context) ([]byte, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Second):
				return set, nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go ring.find(ctx, "a", "ES256")
		synctest.Wait()
		cancel()
		if _, err := ring.find(t.Context(), "a", "ES256"); err != nil {
			t.Error(err)
		}
	})
}

func TestKeysAreGoodForADayWithoutTheirIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, down, asked := mustSet(t, aKey(t)), false, 0
		ring := ringOf(func(context.Context) ([]byte, error) {
			asked++
			if down {
				return nil, errors.New("down")
			}
			return set, nil
		})
		want := func(kind error) {
			t.Helper()
			if _, err := ring.find(t.Context(), "a", "ES256"); !errors.Is(err, kind) {
				t.Errorf("after %v: %v", time.Since(ring.fetched), err)
			}
		}
		want(nil)
		down = true
		time.Sleep(keysStale - time.Second)
		want(nil)
		time.Sleep(time.Second)
		want(problem.Unavailable)
		before := asked
		for range 60 {
			want(problem.Unavailable)
			time.Sleep(time.Second)
		}
		if n := asked - before; n > 3 {
			t.Errorf("asked %d times in a minute", n)
		}
		down = false
		time.Sleep(keysPause)
		want(nil)
		// A key that the issuer has withdrawn ends with the next fetch.
		set = mustSet(t, jose.JSONWebKey{Key: aKey(t).Key, KeyID: "b"})
		time.Sleep(keysFresh - time.Second)
		want(nil)
		time.Sleep(time.Second)
		want(problem.TokenRefused)
	})
}

func TestKeysComeFromAFileAsWell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	r := TokenRoot{Keys: path}
	for text, good := range map[string]bool{string(mustSet(t, aKey(t))): true, "{}": false, strings.Repeat(" ", maxKeySet) + "{}": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ringOf(loader(path, nil)).find(t.Context(), "a", "ES256")
		if checked := r.CheckKeys(); (err == nil) != good || (checked == nil) != good {
			t.Errorf("%.20s: %v, checked: %v", text, err, checked)
		}
	}
	if err := (TokenRoot{Keys: filepath.Join(t.TempDir(), "none")}).CheckKeys(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func ringOf(load func(context.Context) ([]byte, error)) *keyring {
	return &keyring{load: load, clock: time.Now, log: slog.New(slog.DiscardHandler)}
}

func aKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key.Public(), KeyID: "a"}
}

func mustSet(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
