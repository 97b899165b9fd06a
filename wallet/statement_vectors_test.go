package wallet

import (
	"errors"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// statementVectors returns the cases of logins' statements among some of the page.
func statementVectors(t *testing.T, cases []spec.Case) (list []spec.Case) {
	t.Helper()
	for _, c := range cases {
		if c["what"] == "login statement" {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		t.Fatal("no statements among the vectors")
	}
	return list
}

func readVector(t *testing.T, c spec.Case) (*Subject, error) {
	t.Helper()
	return VerifyStatement([]byte(c["jwks"]), c["origin"], c["statement"], time.Unix(int64(spectest.Number(t, c["now"])), 0))
}

func TestStatementVectors(t *testing.T) {
	p := spectest.Load(t, "mpin")
	for _, c := range statementVectors(t, p.Accept) {
		got, err := readVector(t, c)
		if err != nil {
			t.Errorf("at %s: %v", c["now"], err)
			continue
		}
		want := Subject{Name: name(t, c["name"]), Domain: must(identity.ParseDomainID(c["domain"]))(t), Service: c["service"], Device: must(identity.ParseDeviceHash(c["device"]))(t),
			ChannelKind: uint8(spectest.Number(t, c["channelKind"])), ID: c["jti"], Issued: spectest.Number(t, c["iat"]), Expires: spectest.Number(t, c["exp"])}
		if *got != want {
			t.Errorf("at %s: %+v, want %+v", c["now"], *got, want)
		}
	}
	for _, c := range statementVectors(t, p.Refuse) {
		if got, err := readVector(t, c); !errors.Is(err, ErrStatement) || got != nil {
			t.Errorf("%s: %v, %v", c["reason"], got, err)
		}
	}
}
