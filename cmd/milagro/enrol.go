package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/wallet"
)

func enrolCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "enrol NAME", Short: "get the first key of a name", Args: exactly("NAME"),
		Example: "  milagro enrol spiffe://example.org/web --codes alpha.csv --codes beta.csv --codes gamma.csv\n" +
			"  milagro enrol spiffe://example.org/ns/shop/sa/web --token 1=/var/run/alpha/token --token 2=/var/run/beta/token",
		Long: `Make a device key for a name and get the name's first key, with a one-time code of
each authority. Codes come in files, never on the command line: those that 'milagro
dta register --out' wrote, or plain ones with a code a line; '-' is stdin. Run it
again with the same codes if it was interrupted.

Where the authorities trust the platform that runs a service, its tokens (JWTs) stand
in for codes: --token shows a file to the authority with that index, --token-command
runs a command for each, which prints a token for the audience in MILAGRO_AUDIENCE.`,
	}))
	purpose := cmd.Flags().String("purpose", string(identity.Channel), "channel or decrypt")
	var e evidence
	e.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := identity.ParseName(args[0])
		if err != nil {
			return err
		}
		p, err := identity.ParsePurpose(*purpose)
		if err != nil {
			return usagef(cmd, "--purpose: %w", err)
		}
		if err := e.check(cmd); err != nil {
			return err
		}
		r, err := e.enrol(cmd, name, p)
		return errors.Join(showReport(cmd, r), pinFirst(err))
	}
	return cmd
}

// evidence is what 'enrol' shows to the authorities: one kind of three.
type evidence struct {
	codes   []string // files
	tokens  []string // INDEX=FILE
	command string
	files   map[uint32]string // of tokens, by authority
}

func (e *evidence) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&e.codes, "codes", nil, "file with one-time codes; may be given for each authority")
	f.StringArrayVar(&e.tokens, "token", nil, "INDEX=FILE: file with a token for the authority with this index; may be given for each")
	f.StringVar(&e.command, "token-command", "", "shell command that prints a token for MILAGRO_AUDIENCE, the audience at authority MILAGRO_AUTHORITY")
}

// check refuses flags that do not go together.
func (e *evidence) check(cmd *cobra.Command) (err error) {
	kinds := 0
	for _, given := range []bool{len(e.codes) > 0, len(e.tokens) > 0, e.command != ""} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return usagef(cmd, "%s: one of --codes, --token and --token-command is required", cmd.CommandPath())
	}
	if e.files, err = tokenFiles(e.tokens); err != nil {
		return usagef(cmd, "--token: %w", err)
	}
	return nil
}

func (e *evidence) enrol(cmd *cobra.Command, name identity.Name, p identity.Purpose) (*wallet.Report, error) {
	if len(e.codes) > 0 {
		codes, err := readCodes(cmd.InOrStdin(), e.codes, name, p)
		if err != nil {
			return nil, err
		}
		w, err := openWallet(cmd)
		if err != nil {
			return nil, err
		}
		return w.Enrol(cmd.Context(), name, p, codes)
	}
	w, err := openWallet(cmd)
	if err != nil {
		return nil, err
	}
	tokens := tokensFrom(e.files)
	if e.command != "" {
		tokens = tokensBy(e.command)
	}
	return w.EnrolToken(cmd.Context(), name, p, tokens)
}

// readCodes reads the codes for a name and purpose from files of either form.
func readCodes(stdin io.Reader, paths []string, name identity.Name, purpose identity.Purpose) (map[uint32]dta.Code, error) {
	codes := map[uint32]dta.Code{}
	for _, path := range paths {
		b, err := readInput(path, stdin)
		if err != nil {
			return nil, err
		}
		texts, err := codesIn(b, name, purpose)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, text := range texts {
			code, err := dta.ParseCode(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if _, twice := codes[code.Index()]; twice {
				return nil, fmt.Errorf("%s: a second code of authority %d", path, code.Index())
			}
			codes[code.Index()] = code
		}
	}
	if len(codes) == 0 {
		return nil, fmt.Errorf("%s: no code for %s of %v", strings.Join(paths, ", "), purpose, name)
	}
	return codes, nil
}

// codesIn returns the codes in one file: the rows of a CSV that are for name
// and purpose, or every line.
func codesIn(b []byte, name identity.Name, purpose identity.Purpose) ([]string, error) {
	var texts []string
	if !bytes.HasPrefix(b, []byte(codesHeader)) {
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				texts = append(texts, line)
			}
		}
		return texts, nil
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return nil, errors.New("not the CSV that 'milagro dta register' writes") // the cause could show a code
	}
	for _, row := range rows[1:] {
		if row[0] == name.String() && row[1] == string(purpose) {
			texts = append(texts, row[2])
		}
	}
	return texts, nil
}

type reportResult struct {
	Name   identity.Name `json:"name"`
	Device string        `json:"device"`
	Keys   []reportKey   `json:"keys"`
	text   string
}

type reportKey struct {
	Purpose     identity.Purpose  `json:"purpose"`
	Epoch       string            `json:"epoch"`
	OK          bool              `json:"ok"`
	Authorities []reportAuthority `json:"authorities"`
}

type reportAuthority struct {
	Index    uint32         `json:"index"`
	Name     string         `json:"name"`
	Outcome  wallet.Outcome `json:"outcome"`
	Detail   string         `json:"detail,omitempty"`
	Evidence string         `json:"evidence,omitempty"`
}

// showReport prints what an enrolment or renewal did, if it came to anything.
func showReport(cmd *cobra.Command, r *wallet.Report) error {
	if r == nil {
		return nil
	}
	out := reportResult{Name: r.Name, Device: r.Device.String(), text: r.Text()}
	for _, k := range r.Keys {
		key := reportKey{Purpose: k.Purpose, Epoch: k.Epoch.String(), OK: k.Err == nil}
		for _, a := range k.Authorities {
			key.Authorities = append(key.Authorities, reportAuthority{a.Index, a.Name, a.Outcome, a.Detail, a.Evidence})
		}
		out.Keys = append(out.Keys, key)
	}
	return show(cmd, out)
}

// Text prints the outcome at each authority.
func (r reportResult) Text(w io.Writer) { fmt.Fprint(w, r.text) }
