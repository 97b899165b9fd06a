package authority

import (
	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// master is this authority's part in one M-Pin service.
type master struct {
	service dta.Service
	public  pairing.G1 // X_i
	share   keys.MasterShare
	fault   error // why nothing is issued for it, in words for strangers
}

// masters loads the shares of a document's M-Pin services, each checked against
// the one that is public there (R37). One that is missing stops its own service
// and no other.
func (d *documents) masters(document *dta.Document, index uint32) map[identity.ServiceID]*master {
	all := map[identity.ServiceID]*master{}
	for _, s := range document.Services() {
		m := &master{service: s, public: s.Public[index-1]}
		share, err := d.vault.load(s.Generation)
		if err == nil && (share.Index() != index || !share.PublicPin().Equal(m.public)) {
			err = errOtherShare
		}
		if err != nil {
			d.log.Error("no key of a service is issued", "service", s.Name, "error", err)
			m.fault = shareFault(err)
		} else {
			m.share = share
		}
		all[document.ServiceID(s)] = m
	}
	return all
}

// master returns what keys of a service are issued from, or refuses.
func (s *served) master(id identity.ServiceID) (*master, error) {
	m := s.services[id]
	switch {
	case m == nil:
		return nil, problem.New(problem.ServiceUnknown, "")
	case m.fault != nil:
		return nil, problem.New(problem.Unavailable, "service %s: %s", m.service.Name, m.fault)
	}
	return m, nil
}

// called returns the name of a service by its identity: hexadecimal digits if the
// document has none, nothing for no service.
func (s *served) called(service []byte) string {
	if len(service) == 0 {
		return ""
	}
	if s.Published != nil {
		if known, ok := s.Document.ServiceByID(identity.ServiceID(service)); ok {
			return known.Name
		}
	}
	return hexOf([32]byte(service))
}

// serves reports whether the document names shares of a generation: the public
// master's or a service's.
func (s *served) serves(g keys.Generation) bool {
	if s.Published == nil {
		return false
	}
	if s.Document.Generation() == g {
		return true
	}
	for _, service := range s.Document.Services() {
		if service.Generation == g {
			return true
		}
	}
	return false
}
