package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	dtaserver "milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	sealedShare = "share-issue-sealed"
	clients     = 8
)

var issuanceSubjects = append([]subject{
	{name: sealedShare, clock: wall, setup: shareIssueSealed},
	{name: "share-issue-http", against: sealedShare, clock: wall, setup: shareIssueHTTP},
}, append(enrolments(2, 3, 4, 8, 16), registered(100, 1_000, 10_000, 100_000)...)...)

// unlimited lets the benchmark ask as often as it likes.
func unlimited() dtaserver.Limits {
	rate := dtaserver.Rate{Count: 1 << 30, Window: time.Hour}
	return dtaserver.Limits{Strangers: rate, Enrolments: rate, Renewals: rate}
}

func newDomain(t, n int) (*authoritytest.Domain, error) {
	return authoritytest.Make(context.Background(), authoritytest.Config{Domain: "bench.example", Threshold: t, Authorities: n, Limits: unlimited()})
}

// applicant is an enrolled device of one name.
type applicant struct {
	domain *authoritytest.Domain
	signer crypto.Signer
	key    identity.Key
}

func newApplicant(d *authoritytest.Domain, name string) (*applicant, error) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &applicant{domain: d, signer: signer, key: identity.Key{Purpose: identity.Channel, Name: mustName(name), Epoch: identity.EpochAt(d.Now(), epochLength)}}
	return a, a.enrol()
}

func (a *applicant) enrol() error {
	codes, err := a.domain.Register(context.Background(), a.key.Name, a.key.Purpose)
	if err != nil {
		return err
	}
	return a.apply(codes)
}

func (a *applicant) apply(codes map[uint32]dta.Code) error {
	client := dta.Client{HTTP: loopback()}
	_, err := client.Apply(context.Background(), dta.Application{Domain: a.domain.Published, Key: a.key, Signer: a.signer, Codes: codes, Now: a.domain.Now})
	return err
}

// request returns a fresh sealed renewal for the authority at place i.
func (a *applicant) request(i int) ([]byte, error) {
	document := a.domain.Published.Document
	to := document.Authorities()[i]
	device, err := identity.DeviceOf(a.signer)
	if err != nil {
		return nil, err
	}
	reply, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, err
	}
	q := &dta.Request{Key: a.key, Generation: document.Generation(), Index: to.Index, Device: device, ReplyKey: reply.PublicKey(), Time: a.domain.Now()}
	q.Key.Domain = document.ID()
	rand.Read(q.Nonce[:])
	return q.Seal(to.HPKE, a.signer)
}

var sharedTransport = &http.Transport{MaxIdleConnsPerHost: 2 * clients}

func loopback() *http.Client {
	return &http.Client{Transport: sharedTransport, Timeout: 30 * time.Second}
}

// sealedWork is what an authority computes for one request, without server or
// store: open, verify the device, hash, multiply, sign, seal.
func sealedWork() (op, error) {
	opening, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return op{}, err
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return op{}, err
	}
	share := keys.NewMasterShare(1, keys.Generation{Counter: 1}, pairing.RandomSecret())
	sealed, err := bareRequest(opening.PublicKey())
	if err != nil {
		return op{}, err
	}
	return each(func() error {
		envelope, err := dta.ParseSealedRequest(sealed)
		if err != nil {
			return err
		}
		q, err := envelope.Open(opening)
		if err != nil {
			return err
		}
		point, err := q.IdentityKey().Point()
		if err != nil {
			return err
		}
		_, err = dta.ReplyTo(q, share.Issue(point)).Seal(signing, q.ReplyKey)
		return err
	}), nil
}

func bareRequest(to hpke.PublicKey) ([]byte, error) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	device, err := identity.DeviceOf(signer)
	if err != nil {
		return nil, err
	}
	reply, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, err
	}
	q := &dta.Request{Key: identity.Key{Domain: identity.DomainID{1}, Purpose: identity.Channel, Name: mustName(web), Epoch: identity.EpochAt(epochLength, epochLength)},
		Generation: keys.Generation{Counter: 1}, Index: 1, Device: device, ReplyKey: reply.PublicKey()}
	return q.Seal(to, signer)
}

func shareIssueSealed() (*bench, error) {
	own, err := sealedWork()
	return &bench{own: own}, err
}

// shareIssueHTTP is a whole request at one authority, over loopback and with
// its durable store, eight clients at once; what the applicant computes is off
// the clock.
func shareIssueHTTP() (*bench, error) {
	d, err := newDomain(2, 2)
	if err != nil {
		return nil, err
	}
	a, err := newApplicant(d, web)
	if err != nil {
		return nil, err
	}
	reference, err := sealedWork()
	return &bench{own: requests(a), reference: reference, done: func() { d.Close() }}, err
}

// requests sends n fresh requests to the first authority.
func requests(a *applicant) op {
	var ready [][]byte
	return op{
		before: func(n int) error {
			ready = nil
			for range n {
				sealed, err := a.request(0)
				if err != nil {
					return err
				}
				ready = append(ready, sealed)
			}
			return nil
		},
		run: func(n int) error { return sendAll(a.domain.Members[0].URL(), ready) },
	}
}

func sendAll(url string, sealed [][]byte) error {
	queue := make(chan []byte)
	failures := make(chan error, clients)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for b := range queue {
				if err := send(url, b); err != nil {
					select {
					case failures <- err:
					default:
					}
				}
			}
		})
	}
	for _, b := range sealed {
		queue <- b
	}
	close(queue)
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

func send(url string, sealed []byte) error {
	body, err := json.Marshal(map[string][]byte{"request": sealed})
	if err != nil {
		return err
	}
	resp, err := loopback().Post(url+"/v1/issue", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, answer)
	}
	return err
}

// enrolments are whole enrolments, from codes to key, as t = n goes up: all
// authorities and the applicant on this machine.
func enrolments(thresholds ...int) []subject {
	var list []subject
	for _, t := range thresholds {
		s := subject{name: fmt.Sprintf("enrol-t%d", t), clock: wall, setup: func() (*bench, error) {
			own, done, err := enrolment(t)
			if err != nil {
				return nil, err
			}
			reference, doneReference, err := enrolment(thresholds[0])
			return &bench{own: own, reference: reference, done: func() { done(); doneReference() }}, err
		}}
		if t != thresholds[0] {
			s.against = list[0].name
		}
		list = append(list, s)
	}
	return list
}

func enrolment(t int) (op, func(), error) {
	d, err := newDomain(t, t)
	if err != nil {
		return op{}, nil, err
	}
	a, err := newApplicant(d, web)
	if err != nil {
		return op{}, nil, err
	}
	return each(a.enrol), func() { d.Close() }, nil
}

// registered is one request at an authority that has so many names registered,
// against one that has the first count of them: the cost must not grow.
func registered(counts ...int) []subject {
	var list []subject
	for _, names := range counts {
		s := subject{name: fmt.Sprintf("request-names-%d", names), clock: wall, setup: func() (*bench, error) {
			own, done, err := withNames(names)
			if err != nil {
				return nil, err
			}
			reference, doneReference, err := withNames(counts[0])
			return &bench{own: own, reference: reference, done: func() { done(); doneReference() }}, err
		}}
		if names != counts[0] {
			s.against = list[0].name
		}
		list = append(list, s)
	}
	return list
}

func withNames(count int) (op, func(), error) {
	d, err := newDomain(2, 2)
	if err != nil {
		return op{}, nil, err
	}
	const chunk = 500
	for from := 0; from < count; from += chunk {
		var names []identity.Name
		for i := from; i < min(from+chunk, count); i++ {
			names = append(names, mustName(fmt.Sprintf("spiffe://bench.example/name-%d", i)))
		}
		if _, err := d.Members[0].Operator().Register(context.Background(), names, identity.Channel, time.Now().Add(time.Hour)); err != nil {
			return op{}, nil, err
		}
	}
	a, err := newApplicant(d, web)
	if err != nil {
		return op{}, nil, err
	}
	return requests(a), func() { d.Close() }, nil
}
