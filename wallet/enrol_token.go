package wallet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

// tokensTimeout bounds how long all tokens of an enrolment may take.
const tokensTimeout = time.Minute

// Tokens returns a JWT to be shown to the authority a (spec/issuance.md "Evidence:
// jwt"), as the text that its issuer made; white space around it does not matter.
// audience is what it should be for: the URL of a, "#" and the hash of the device.
// An issuer that knows no such audience makes it for whatever a's operator has
// agreed to. It is asked once for each authority, for all of them at once, and is to
// end when ctx does.
type Tokens func(ctx context.Context, a dta.Authority, audience string) (string, error)

// jwtOrError is what Tokens returned.
type jwtOrError struct {
	text string
	err  error
}

// EnrolToken obtains the first key of a name for a purpose, with a token for each
// authority in place of a code: nobody types anything. The device key and the
// enrolment are on the disk before a token is asked for: an enrolment that was
// interrupted, by a crash too, completes when EnrolToken is called again, with the
// same tokens or newer ones. The report comes with the error too. Errors wrap
// ErrNotPinned, ErrNoToken when fewer than t tokens were to be had (nothing is sent
// then), dta.ErrStale and dta.ErrThreshold.
func (w *Wallet) EnrolToken(ctx context.Context, n identity.Name, purpose identity.Purpose, tokens Tokens) (*Report, error) {
	r, err := w.enrol(ctx, n, purpose, byTokens(tokens))
	if err != nil {
		err = fmt.Errorf("enrol %v: %w", n, err)
	}
	return r, err
}

// byTokens is where tokens come from.
type byTokens Tokens

func (byTokens) check(*domain) error { return nil }

// fill asks for all tokens. Fewer than t are shown to nobody.
func (ask byTokens) fill(ctx context.Context, a *ask) error {
	ctx, cancel := context.WithTimeout(ctx, tokensTimeout)
	defer cancel()
	doc := a.domain.Published.Document
	got := make([]jwtOrError, len(doc.Authorities()))
	var all sync.WaitGroup
	for i, authority := range doc.Authorities() {
		all.Go(func() {
			text, err := ask(ctx, authority, authority.TokenAudience(a.device))
			got[i] = jwtOrError{strings.TrimSpace(text), err}
		})
	}
	all.Wait()
	a.tokens = map[uint32]jwtOrError{}
	good, errs := 0, []error(nil)
	for i, t := range got {
		index := uint32(i + 1)
		if t.err == nil {
			_, t.err = dta.TokenEvidence(t.text)
		}
		if t.err != nil {
			t.err = fmt.Errorf("%w: %w", ErrNoToken, t.err)
			errs = append(errs, fmt.Errorf("authority %d: %w", index, t.err))
		} else {
			good++
		}
		a.tokens[index] = t
	}
	if need := doc.Threshold(); good < need {
		return fmt.Errorf("tokens for %d authorities, %d are needed: %w", good, need, errors.Join(errs...))
	}
	return nil
}

// showToken makes the evidence of a request.
func (a *ask) showToken(q *dta.Request) ([]byte, error) {
	t, ok := a.tokens[q.Index]
	if !ok { // an authority that a newer document brought
		return nil, ErrNoToken
	}
	if t.err != nil {
		return nil, t.err
	}
	return dta.TokenEvidence(t.text)
}
