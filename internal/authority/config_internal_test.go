package authority

import (
	"testing"
	"time"
)

// TestDefaultsFillWhatIsMissing leaves what is set as it is.
func TestDefaultsFillWhatIsMissing(t *testing.T) {
	got := Config{}.withDefaults()
	if got.Clock == nil || got.Logger == nil || got.Peers == nil || got.Peers.Timeout != 10*time.Second || got.Limits != DefaultLimits() {
		t.Errorf("%+v", got)
	}
	if err := got.Limits.check(); err != nil {
		t.Error(err)
	}
	mine := Rate{Count: 7, Window: time.Hour}
	want := DefaultLimits()
	want.Renewals = mine
	if got := (Config{Limits: Limits{Renewals: mine}}).withDefaults(); got.Limits != want {
		t.Errorf("%+v", got.Limits)
	}
	none := Limits{Strangers: Rate{Window: time.Minute}} // nobody without an enrolment is answered
	if got := (Config{Limits: none}).withDefaults(); got.Limits.Strangers != none.Strangers || got.Limits.check() != nil {
		t.Errorf("%+v", got.Limits)
	}
}
