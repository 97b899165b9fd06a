package main

import (
	"bytes"
	"os"
	"testing"

	"milagro.dev/spec"
)

func TestCommittedVectorsAreTheGeneratedOnes(t *testing.T) {
	for name := range pages {
		want, err := render(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile("../vectors/" + name + ".json")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: run go run ./spec/generate (%v)", name, err)
		}
	}
}

func TestEveryPageHasCasesToAcceptAndToRefuse(t *testing.T) {
	for name := range pages {
		p, err := spec.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Accept) == 0 || len(p.Refuse) == 0 || p.About == "" {
			t.Errorf("%s: %d to accept, %d to refuse", name, len(p.Accept), len(p.Refuse))
		}
		for _, c := range p.Refuse {
			if c["reason"] == "" {
				t.Errorf("%s: a case to refuse has no reason: %v", name, c)
			}
		}
	}
}

func TestEveryFileOfVectorsHasItsGenerator(t *testing.T) {
	files, err := os.ReadDir("../vectors")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(pages) {
		t.Errorf("%d files, %d generators", len(files), len(pages))
	}
}
