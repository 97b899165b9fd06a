package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/webserver"
)

// operators are the authorities of doc/enrolment.md and deploy/kubernetes.
var operators = []string{"alpha", "beta", "gamma"}

// TestEnrolmentPage runs every sh block of doc/enrolment.md, in one shell, with three
// authorities that have the page's configuration, and an issuer of its own in the
// place of each platform. Nobody types a code.
func TestEnrolmentPage(t *testing.T) {
	t.Parallel()
	page := readPage(t, "../../doc/enrolment.md")
	p := newPlatforms(t)
	var config strings.Builder
	for _, block := range blocks(page, "toml") {
		config.WriteString(p.here(block))
	}
	writeFile(t, filepath.Join(p.dir, "authority.toml"), config.String())
	steps := p.prelude(t)
	all := blocks(page, "sh")
	for i, block := range all {
		steps += fmt.Sprintf("echo 'block %d'\n%s", i+1, p.here(block))
		if i == 0 {
			steps += "fingerprint=$(grep -o 'milagro1[a-z0-9]*' domain.txt)\n" +
				"until milagro domain pin http://" + p.addresses[0] + " --fingerprint $fingerprint; do sleep 0.1; done\n"
		}
	}
	out, err := p.run(t, steps+"for d in alpha beta gamma; do milagro dta list --dir $d; done\necho 'block last'\n")
	if err != nil || !strings.Contains(out, "block last") || len(all) != 6 {
		t.Fatalf("%d blocks, %v\n%s", len(all), err, out)
	}
	for _, name := range []string{"ns/shop/sa/web", "github/octo-org/74/prod", "gitlab/72/20/production", "gce/example-project/web-1"} {
		if got := strings.Count(out, "spiffe://example.org/"+name+" channel key"); got != 1 {
			t.Errorf("%s got %d keys\n%s", name, got, out)
		}
	}
	if got := strings.Count(out, ": ok\n"); got != 4*len(operators) {
		t.Errorf("%d good shares\n%s", got, out)
	}
}

// platforms stand in for those of the page.
type platforms struct {
	dir       string
	addresses []string // of the authorities
	issuers   map[string]*authoritytest.TokenIssuer
}

func newPlatforms(t *testing.T) *platforms {
	t.Helper()
	dir, err := os.MkdirTemp("", "enrol") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &platforms{dir: dir, issuers: map[string]*authoritytest.TokenIssuer{}}
	if p.addresses, err = webserver.FreeAddresses(len(operators)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cluster", "github", "gitlab", "google"} {
		p.issuers[name] = authoritytest.NewTokenIssuer(t, time.Now)
	}
	p.issuers["cluster"].RotateRSA(t) // which takes a second to make
	return p
}

// here puts what the test has in the place of what the page says.
func (p *platforms) here(text string) string {
	pairs := []string{
		"https://token.actions.githubusercontent.com/.well-known/jwks", p.issuers["github"].URL + "/jwks",
		"https://token.actions.githubusercontent.com", p.issuers["github"].URL,
		"https://gitlab.example.org/oauth/discovery/keys", p.issuers["gitlab"].URL + "/jwks",
		"https://gitlab.example.org", p.issuers["gitlab"].URL,
		"https://www.googleapis.com/oauth2/v3/certs", p.issuers["google"].URL + "/jwks",
		"https://accounts.google.com", p.issuers["google"].URL,
		"http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity", p.issuers["google"].URL + "/google",
		"https://kubernetes.default.svc.cluster.local", p.issuers["cluster"].URL,
		"/etc/milagro/", p.dir + "/", "/var/run/milagro/", p.dir + "/tokens/",
	}
	for i, name := range operators {
		pairs = append(pairs, "https://"+name+".example", "http://"+p.addresses[i])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// prelude starts the authorities, and puts what a platform has in its place.
func (p *platforms) prelude(t *testing.T) string {
	t.Helper()
	steps := "set -e\ntrap 'kill $(jobs -p) || true' EXIT\n"
	for i, name := range operators {
		url := "http://" + p.addresses[i]
		steps += fmt.Sprintf("milagro dta init --dir %s --name %s --url %s\n", name, name, url)
		writeFile(t, filepath.Join(p.dir, "tokens", name), p.issuers["cluster"].Sign(authoritytest.Kubernetes("shop", "web", url)))
		steps += fmt.Sprintf("export MILAGRO_TOKEN_%d=%s\n", i+1, p.issuers["gitlab"].Sign(authoritytest.GitLab(url)))
	}
	writeFile(t, filepath.Join(p.dir, "cluster.json"), string(p.issuers["cluster"].Keys()))
	writeFile(t, filepath.Join(p.dir, "bin", "kubectl"), "#!/bin/sh\n[ \"$*\" = 'get --raw /openid/v1/jwks' ] && exec cat "+p.dir+"/cluster-now.json\n")
	writeFile(t, filepath.Join(p.dir, "cluster-now.json"), string(p.issuers["cluster"].Keys()))
	for i, name := range operators {
		steps += fmt.Sprintf("milagro dta serve --dir %s --config authority.toml --check\nmilagro dta serve --dir %s --listen %s --config authority.toml 2>%s.log &\n",
			name, name, p.addresses[i], name)
		steps += fmt.Sprintf("milagro dta card --dir %s >%s.card\nuntil milagro dta status --dir %s >status.txt 2>&1; do sleep 0.1; done\n", name, name, name)
	}
	return steps + "export ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner ACTIONS_ID_TOKEN_REQUEST_URL='" + p.issuers["github"].URL + "/github?api-version=2.0'\n"
}

func (p *platforms) run(t *testing.T, steps string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", steps)
	cmd.Dir = p.dir
	cmd.Env = append(milagro(t.Context()).Env, "MILAGRO_WALLET="+p.dir+"/wallet", "PATH="+p.dir+"/bin:"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the code of a page in one language.
func blocks(page, language string) (all []string) {
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o700)); err != nil {
		t.Fatal(err)
	}
}

// object is a manifest as far as this one goes: a field that is not here is a
// slip.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Automount *bool `yaml:"automountServiceAccountToken"`
	Spec      struct {
		Replicas int
		Selector yaml.Node
		Ports    []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	Account    string      `yaml:"serviceAccountName"`
	Automount  *bool       `yaml:"automountServiceAccountToken"`
	Security   security    `yaml:"securityContext"`
	Init       []container `yaml:"initContainers"`
	Containers []container
	Volumes    []volume
}

type security struct {
	NonRoot    bool                    `yaml:"runAsNonRoot"`
	User       int                     `yaml:"runAsUser"`
	Group      int                     `yaml:"runAsGroup"`
	FSGroup    int                     `yaml:"fsGroup"`
	Escalation *bool                   `yaml:"allowPrivilegeEscalation"`
	ReadOnly   bool                    `yaml:"readOnlyRootFilesystem"`
	Seccomp    struct{ Type string }   `yaml:"seccompProfile"`
	Caps       struct{ Drop []string } `yaml:"capabilities"`
}

type container struct {
	Name, Image string
	Restart     string `yaml:"restartPolicy"`
	Args        []string
	Env         []struct{ Name, Value string }
	Ports       []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Mounts []struct {
		Name     string
		Path     string `yaml:"mountPath"`
		ReadOnly bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	Security security `yaml:"securityContext"`
}

type volume struct {
	Name     string
	EmptyDir *struct {
		Medium string
		Limit  string `yaml:"sizeLimit"`
	} `yaml:"emptyDir"`
	Projected *struct {
		Mode    int `yaml:"defaultMode"`
		Sources []struct {
			Token struct {
				Path, Audience string
				Expires        int `yaml:"expirationSeconds"`
			} `yaml:"serviceAccountToken"`
		}
	}
}

// manifests reads deploy/kubernetes/service.yaml strictly, by kind.
func manifests(t *testing.T) map[string]object {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(readPage(t, "../../deploy/kubernetes/service.yaml")))
	decoder.KnownFields(true)
	all := map[string]object{}
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[o.Kind] = o
	}
}

func TestManifestSaysWhatTheProgramsTake(t *testing.T) {
	all := manifests(t)
	pod := all["Deployment"].Spec.Template.Spec
	namespace, account := all["Namespace"].Metadata.Name, all["ServiceAccount"].Metadata.Name
	name := "spiffe://example.org/ns/" + namespace + "/sa/" + account
	if pod.Account != account || all["Deployment"].Metadata.Namespace != namespace || all["ServiceAccount"].Metadata.Namespace != namespace {
		t.Error("the pod is not of this account and namespace")
	}
	for _, automount := range []*bool{pod.Automount, all["ServiceAccount"].Automount} {
		if automount == nil || *automount {
			t.Error("the pod has a token for the API server")
		}
	}
	page := strings.Join(blocks(readPage(t, "../../doc/enrolment.md"), "sh"), "\n")
	for _, c := range pod.Init {
		if !c.Security.ReadOnly || c.Security.Escalation == nil || *c.Security.Escalation || !slices.Equal(c.Security.Caps.Drop, []string{"ALL"}) {
			t.Errorf("%s is not confined", c.Name)
		}
		cmd := takes(t, c.Args)
		if cmd != nil && cmd.Name() == "enrol" && !strings.Contains(page, "milagro "+strings.Join(c.Args, " ")+"\n") {
			t.Errorf("doc/enrolment.md has another command than %q", c.Args)
		}
		if c.Name != "pin" && !slices.Contains(c.Args, name) {
			t.Errorf("%s is not about %s: %q", c.Name, name, c.Args)
		}
	}
	last := pod.Init[len(pod.Init)-1]
	if all["Service"].Spec.Ports[0].TargetPort != last.Ports[0].Name || !slices.Contains(last.Args, fmt.Sprintf("0.0.0.0:%d", last.Ports[0].Port)) {
		t.Error("the service does not lead to the sidecar")
	}
	for _, v := range pod.Volumes {
		if v.Projected != nil {
			continue
		}
		if v.EmptyDir == nil || v.EmptyDir.Medium != "Memory" {
			t.Errorf("volume %s: keys on a disk", v.Name)
		}
	}
}

// takes returns the command that args are for, if it takes them.
func takes(t *testing.T, args []string) *cobra.Command {
	t.Helper()
	cmd, rest, err := newRoot().Find(args)
	if err == nil && !cmd.HasParent() {
		err = errors.New("no such command")
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("milagro %s: %v", strings.Join(args, " "), err)
		return nil
	}
	return cmd
}

// TestManifestsTokensAreForTheAuthorities holds the tokens of the pod against the
// command that shows them.
func TestManifestsTokensAreForTheAuthorities(t *testing.T) {
	pod := manifests(t)["Deployment"].Spec.Template.Spec
	var shown []string
	for _, c := range pod.Init {
		if c.Args[0] != "enrol" {
			continue
		}
		for _, m := range c.Mounts {
			for _, v := range pod.Volumes {
				if v.Name != m.Name || v.Projected == nil {
					continue
				}
				for i, source := range v.Projected.Sources {
					if source.Token.Expires != 600 || source.Token.Audience != "https://"+operators[i]+".example" {
						t.Errorf("source %d: %+v", i+1, source.Token)
					}
					shown = append(shown, fmt.Sprintf("%d=%s/%s", i+1, m.Path, source.Token.Path))
				}
			}
		}
		for _, file := range shown {
			if !slices.Contains(c.Args, file) {
				t.Errorf("no token is shown from %s", file)
			}
		}
	}
	if len(shown) != len(operators) {
		t.Errorf("tokens for %d authorities: %q", len(shown), shown)
	}
}
