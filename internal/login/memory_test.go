package login

import (
	"runtime/debug"
	"testing"
)

func TestRelaxGCHeedsTheEnvironment(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "100")
	RelaxGC()
	if is := debug.SetGCPercent(100); is != 100 {
		t.Errorf("GOGC is 100, the heap grows by %d %%", is)
	}
	t.Setenv("GOGC", "")
	RelaxGC()
	if is := debug.SetGCPercent(100); is != gcPercent {
		t.Errorf("the heap grows by %d %%, want %d", is, gcPercent)
	}
}
