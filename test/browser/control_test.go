//go:build linux

package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/mail/mailtest"
)

// control is what the flows ask of operators, of mailboxes and of fate.
func (s *town) control() http.Handler {
	mux := http.NewServeMux()
	for path, act := range map[string]func(context.Context, url.Values) (any, error){
		"invite": s.invite, "unlock": s.unlock, "revoke": s.revoke, "devices": s.devices, "letters": s.letters, "mail": s.mails,
		"authority": s.authority, "server": s.server, "logged": s.isLogged,
	} {
		mux.HandleFunc("POST /"+path, func(w http.ResponseWriter, r *http.Request) {
			answer, err := act(r.Context(), r.URL.Query())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			json.NewEncoder(w).Encode(answer)
		})
	}
	return mux
}

func named(q url.Values) (identity.Name, error) { return identity.ParseName(q.Get("name")) }

func (s *town) invite(ctx context.Context, q url.Values) (any, error) {
	name, err := named(q)
	if err != nil {
		return nil, err
	}
	i, err := s.Operator().Invite(ctx, name, time.Time{})
	return i.Link, err
}

func (s *town) unlock(ctx context.Context, q url.Values) (any, error) {
	name, err := named(q)
	if err != nil {
		return nil, err
	}
	u, err := s.Operator().Unlock(ctx, name, nil)
	return u.Devices, err
}

func (s *town) revoke(ctx context.Context, q url.Values) (any, error) {
	name, err := named(q)
	if err != nil {
		return nil, err
	}
	v, err := s.Operator().Revoke(ctx, name, nil)
	return v.Devices, err
}

// devices are the states of a person's devices, as the operator sees them.
func (s *town) devices(ctx context.Context, q url.Values) (any, error) {
	name, err := named(q)
	if err != nil {
		return nil, err
	}
	list, err := s.Operator().List(ctx, name)
	states := []string{}
	for _, d := range list.Devices {
		states = append(states, d.State)
	}
	return states, err
}

// letter is a mail, for the flows.
type letter struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// letters waits until a mailbox has so many mails, and returns them.
func (s *town) letters(ctx context.Context, q url.Values) (any, error) {
	from := s.mail
	if q.Get("from") == "authorities" {
		from = s.codes
	}
	n, err := strconv.Atoi(q.Get("count"))
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		l := slices.DeleteFunc(from.Letters(), func(l mailtest.Letter) bool { return l.To != q.Get("to") })
		if len(l) >= n {
			answer := []letter{}
			for _, one := range l {
				answer = append(answer, letter{one.Subject, one.Text})
			}
			return answer, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d mails to %s after a minute, not %d", len(l), q.Get("to"), n)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// mails takes both mail servers down, or up.
func (s *town) mails(_ context.Context, q url.Values) (any, error) {
	for _, m := range []*mailtest.Server{s.mail, s.codes} {
		if q.Get("state") == "down" {
			m.Refuse()
		} else {
			m.Take()
		}
	}
	return nil, nil
}

// authority takes one down, or up.
func (s *town) authority(ctx context.Context, q url.Values) (any, error) {
	index, err := strconv.Atoi(q.Get("index"))
	if err != nil || index < 1 || index > len(s.domain.Members) {
		return nil, errors.New("no such authority")
	}
	m := s.domain.Members[index-1]
	if q.Get("state") == "down" {
		return nil, m.Stop()
	}
	return nil, m.Start(context.WithoutCancel(ctx))
}

// server takes the login server down, or up.
func (s *town) server(ctx context.Context, q url.Values) (any, error) {
	if q.Get("state") == "down" {
		return nil, s.Stop()
	}
	if err := s.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return nil, s.AwaitReady(ctx)
}

// isLogged tells whether any server of the town has logged a text.
func (s *town) isLogged(_ context.Context, q url.Values) (any, error) {
	return s.logged.has(q.Get("text")), nil
}
