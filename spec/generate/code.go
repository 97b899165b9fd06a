package main

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"

	"milagro.dev/internal/encoding"
	"milagro.dev/spec"
)

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// codeBytes are the random bytes of the code in the vectors.
func codeBytes() []byte {
	random := sha256.Sum256([]byte("code"))
	return random[:10]
}

// codeText is the canonical text of a code.
func codeText(index uint32, random []byte) string {
	check := sha256.Sum256(encoding.LP("milagro/v1 code check", encoding.U32(index), random))
	x := crockford.EncodeToString(random)
	return fmt.Sprintf("%d-%s-%s-%s-%s-%s", index, x[:4], x[4:8], x[8:12], x[12:], crockford.EncodeToString(check[:])[:2])
}

func codeEvidence(kind, data string) []byte {
	return encoding.LP("milagro/v1 evidence", []byte(kind), []byte(data))
}

func codeCase(index uint32, random []byte) spec.Case {
	text, hash := codeText(index, random), sha256.Sum256(encoding.LP("milagro/v1 code", encoding.U32(index), random))
	return spec.Case{"what": "code", "typed": text, "code": text, "index": strconv.Itoa(int(index)), "random": hexOf(random), "hash": hexOf(hash[:])}
}

// typed copies a case whose code somebody typed otherwise.
func typed(c spec.Case, text string) spec.Case {
	other := refused(c, "", "typed", text)
	delete(other, "reason")
	return other
}

func codeCases(p *spec.Page) {
	c, zeros := codeCase(16, codeBytes()), codeCase(1, make([]byte, 10))
	code := c["code"]
	p.Accept = append(p.Accept, c, typed(c, strings.ToLower(code)), typed(c, "16-"+strings.ReplaceAll(code[3:], "-", "")),
		zeros, typed(zeros, "1-OOOO-oooo-0000-o0O0"+zeros["code"][21:]))
	for reason, text := range map[string]string{"another index": "15" + code[2:], "index with a leading zero": "0" + code, "index 0": "0" + code[2:],
		"index 17": "17" + code[2:], "no index": code[3:], "a character short": code[:len(code)-1], "a character too many": code + "0",
		"U is no digit": "16-U" + code[4:], "first character altered": "16-" + another(code[3]) + code[4:],
		"last character altered": code[:len(code)-1] + another(code[len(code)-1]), "empty": ""} {
		p.Refuse = append(p.Refuse, refused(c, reason, "typed", text))
	}
}

// another returns a digit of codes other than c.
func another(c byte) string {
	if c == '7' {
		return "8"
	}
	return "7"
}
