package spec

import "testing"

func TestEveryPageOfVectorsLoads(t *testing.T) {
	files, err := vectors.ReadDir("vectors")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := file.Name()[:len(file.Name())-len(".json")]
		p, err := Load(name)
		if err != nil || p.Page != name || len(p.Accept) == 0 || len(p.Refuse) == 0 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestLoadRefusesAnUnknownPage(t *testing.T) {
	if p, err := Load("nothing"); err == nil {
		t.Errorf("loaded %+v", p)
	}
}
