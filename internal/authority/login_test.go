package authority_test

import (
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

func TestServicesAreAddedOneAfterTheOther(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	withLogin(t, d, "login")
	withLogin(t, d, "door")
	if got := d.Published.Document.Revision(); got != 3 {
		t.Errorf("revision %d after two services", got)
	}
	for _, m := range d.Members {
		p, err := new(dta.Client).Domain(t.Context(), m.URL())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Document.Services(); len(got) != 2 || got[0].Name != "door" || got[1].Name != "login" || p.Document.Hash() != d.Published.Document.Hash() {
			t.Errorf("%s serves %v", m.Card.Name, got)
		}
	}
	if codes := d.Codes(t, mustName(t, web), identity.MPin); len(codes) != 3 {
		t.Errorf("%d codes", len(codes))
	}
}
