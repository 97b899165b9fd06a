package bridge

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"milagro.dev/idtls"
)

// stream returns the caller's stream of SVIDs.
func stream(t *testing.T, path string) grpc.ServerStreamingClient[workload.X509SVIDResponse] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // what is not pushed is missed
	t.Cleanup(cancel)
	s, err := raw(t, path).FetchX509SVID(metadata.AppendToOutgoingContext(ctx, header, "true"), &workload.X509SVIDRequest{})
	check(t, err)
	return s
}

// next returns the SVID that is pushed next; there must be one name.
func next(t *testing.T, s grpc.ServerStreamingClient[workload.X509SVIDResponse]) (*x509svid.SVID, int) {
	t.Helper()
	r, err := s.Recv()
	check(t, err)
	if len(r.Svids) != 1 {
		t.Fatalf("%d SVIDs", len(r.Svids))
	}
	svid, err := x509svid.ParseRaw(r.Svids[0].X509Svid, r.Svids[0].X509SvidKey)
	check(t, err)
	return svid, len(r.Svids[0].Bundle)
}

func TestANewSVIDIsPushedAtHalfTime(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	pushes := stream(t, s.serve(t))
	first, _ := next(t, pushes)
	s.pass(t, DefaultLifetime/2-time.Second)
	s.pass(t, 2*time.Second)
	second, _ := next(t, pushes)
	if got := second.Certificates[0].NotBefore.Sub(first.Certificates[0].NotBefore); got < DefaultLifetime/2-2*time.Second || got > DefaultLifetime/2+2*time.Second {
		t.Errorf("pushed after %v", got)
	}
	if first.Certificates[0].SerialNumber.Cmp(second.Certificates[0].SerialNumber) == 0 {
		t.Error("the same certificate again")
	}
}

// TestAuthoritiesOverlap: whoever has the bundle of three hours ago knows every
// authority that signs, for two days.
func TestAuthoritiesOverlap(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	a := s.authorities["example.org"]
	var bundles [][]*issuer
	signers := map[*issuer]bool{}
	for range 48 {
		bundles = append(bundles, slices.Clone(a.issuers))
		known := bundles[max(0, len(bundles)-4)]
		if !slices.Contains(known, a.signer) {
			t.Fatalf("after %d hours an authority signs that was not in the bundle three hours before", len(bundles)-1)
		}
		if len(a.issuers) > 2 {
			t.Fatalf("%d authorities", len(a.issuers))
		}
		if left := a.signer.certificate.NotAfter.Sub(s.clock.time()); left < MaxLifetime {
			t.Fatalf("an authority signs that ends in %v", left)
		}
		signers[a.signer] = true
		s.pass(t, time.Hour)
	}
	if len(signers) != 4 {
		t.Errorf("%d signers in two days", len(signers))
	}
}

func TestANewAuthorityIsPushedBeforeItSigns(t *testing.T) {
	s := newSite(t, longEpoch, func(_ *site, cfg *Config) { cfg.Lifetime = MaxLifetime })
	pushes := stream(t, s.serve(t))
	first, one := next(t, pushes)
	keys := [][]byte{first.Certificates[0].AuthorityKeyId}
	bundles := []int{one}
	for range 5 { // at 3, 6, 9, 12 and 15 hours
		s.pass(t, 3*time.Hour+time.Second)
		svid, bundle := next(t, pushes)
		keys, bundles = append(keys, svid.Certificates[0].AuthorityKeyId), append(bundles, bundle)
	}
	if bundles[3] != one || bundles[4] < 2*one-10 || bundles[5] != bundles[4] {
		t.Errorf("bundles of %v bytes", bundles)
	}
	if string(keys[4]) != string(keys[0]) || string(keys[5]) == string(keys[0]) {
		t.Errorf("signed by %x", keys)
	}
}

func TestBundlesAreStreamedToo(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	stream, err := raw(t, s.serve(t)).FetchX509Bundles(metadata.AppendToOutgoingContext(t.Context(), header, "true"), &workload.X509BundlesRequest{})
	check(t, err)
	first, err := stream.Recv()
	check(t, err)
	s.pass(t, nextAfter+time.Second)
	for {
		r, err := stream.Recv()
		check(t, err)
		if len(r.Bundles["spiffe://example.org"]) > len(first.Bundles["spiffe://example.org"]) && len(r.Bundles) == 1 {
			return
		}
	}
}

func TestAnSVIDDoesNotOutliveTheEpoch(t *testing.T) {
	s := newSite(t, 600, nil)
	epoch := s.holders[s.web].credential.Epoch
	pushes := stream(t, s.serve(t))
	first, _ := next(t, pushes)
	if end := first.Certificates[0].NotAfter; uint64(end.Unix()) != epoch.End() {
		t.Errorf("ends at %v, the epoch at %d", end, epoch.End())
	}
	// The wallet has the next key when its epoch begins.
	left := time.Unix(int64(epoch.End()), 0).Sub(s.clock.time())
	s.clock.advance(left)
	s.holders[s.web].set(s.town.issue(t, s.web, s.clock.time()))
	check(t, s.look())
	second, _ := next(t, pushes)
	if start, end := second.Certificates[0].NotBefore, second.Certificates[0].NotAfter; uint64(end.Unix()) != epoch.Next().End() || uint64(start.Unix()) != epoch.End() {
		t.Errorf("the next is valid from %v to %v", start, end)
	}
}

func TestWithoutACredentialNothingIsGivenUntilThereIsOneAgain(t *testing.T) {
	s := newSite(t, 600, nil)
	path := s.serve(t)
	web := s.holders[s.web]
	endings := map[string]func(){
		"the wallet has no key": func() { web.set(nil) },
		"the epoch is over": func() {
			s.clock.advance(time.Unix(int64(web.credential.Epoch.End()), 0).Sub(s.clock.time()))
		},
		"the name is on the deny list": func() {
			denied := s.town.domainCopy()
			denied.Revoked = func(p idtls.Peer) bool { return p.Name == s.web }
			c := s.town.issue(t, s.web, s.clock.time())
			c.Domain = denied
			web.set(c)
		},
		"the source errs and gives another name's": func() { web.set(s.town.issue(t, s.api, s.clock.time())) },
	}
	for why, end := range endings {
		web.set(s.town.issue(t, s.web, s.clock.time()))
		pushes := stream(t, path)
		next(t, pushes)
		end()
		check(t, s.look())
		_, err := pushes.Recv()
		for err == nil { // what was on its way
			_, err = pushes.Recv()
		}
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), webText) || !strings.Contains(err.Error(), errNoCredential.Error()) {
			t.Fatalf("%s: %v", why, err)
		}
		if _, err := client(t, path).FetchX509Bundles(t.Context()); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: the bundle is still given: %v", why, err)
		}
	}
	web.set(s.town.issue(t, s.web, s.clock.time()))
	if _, err := client(t, path).FetchX509SVID(t.Context()); err != nil {
		t.Error("a credential again:", err)
	}
}

// domainCopy returns a domain of the same master whose fields may be set.
func (w *town) domainCopy() *idtls.Domain {
	d := w.domain
	return &idtls.Domain{ID: d.ID, Name: d.Name, Master: d.Master, Schedule: d.Schedule, Suites: d.Suites}
}

func TestGoSPIFFEFollowsWhatIsPushed(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	x := source(t, s.serve(t))
	first, err := x.GetX509SVID()
	check(t, err)
	for len(x.Updated()) > 0 {
		<-x.Updated()
	}
	s.pass(t, DefaultLifetime/2+time.Second)
	select {
	case <-x.Updated():
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is pushed")
	}
	if second, err := x.GetX509SVID(); err != nil || second == first {
		t.Errorf("the same SVID, %v", err)
	}
}

func TestAStoppingServerSaysSo(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	var pushes grpc.ServerStreamingClient[workload.X509SVIDResponse]
	t.Run("while it serves", func(inner *testing.T) {
		path := s.serve(inner)
		conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		check(t, err)
		t.Cleanup(func() { conn.Close() })
		pushes, err = workload.NewSpiffeWorkloadAPIClient(conn).FetchX509SVID(
			metadata.AppendToOutgoingContext(t.Context(), header, "true"), &workload.X509SVIDRequest{})
		check(t, err)
		_, err = pushes.Recv()
		check(t, err)
	})
	if _, err := pushes.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "stopping") {
		t.Error(err)
	}
}
