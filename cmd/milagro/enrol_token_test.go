package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
)

func TestTokenCommandIsToldItsAudience(t *testing.T) {
	tokens := tokensBy(`echo "$MILAGRO_AUTHORITY $MILAGRO_AUDIENCE"`)
	got, err := tokens(t.Context(), dta.Authority{Index: 2}, "https://beta.example#00")
	if err != nil || got != "2 https://beta.example#00\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTokenCommandThatFailsSaysWhyAndShowsNoToken(t *testing.T) {
	_, err := tokensBy("echo secret; echo more >&2; echo no metadata server >&2; exit 3")(t.Context(), dta.Authority{}, "")
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 3: no metadata server") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestTokenCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := tokensBy("sleep 60 & sleep 60")(ctx, dta.Authority{}, "")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
}

func TestTokenCommandThatPrintsWithoutEndIsCut(t *testing.T) {
	got, err := tokensBy("yes | head -c 1000000")(t.Context(), dta.Authority{}, "")
	if err != nil || len(got) != 2*dta.MaxToken {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestTokensFromFilesAreByAuthority(t *testing.T) {
	for _, args := range [][]string{{"1"}, {"=a"}, {"1="}, {"0=a"}, {"17=a"}, {"-1=a"}, {"1=a", "1=b"}, {"1=a", "01=b"}} {
		if files, err := tokenFiles(args); err == nil {
			t.Errorf("%q is %v", args, files)
		}
	}
	files, err := tokenFiles([]string{"2=a=b", "1=c"})
	if err != nil || files[2] != "a=b" || files[1] != "c" {
		t.Errorf("%v, %v", files, err)
	}
	if _, err := tokensFrom(files)(t.Context(), dta.Authority{Index: 3}, ""); err == nil || !strings.Contains(err.Error(), "--token 3=FILE") {
		t.Error(err)
	}
}
