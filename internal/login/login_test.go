package login_test

import (
	"testing"
)

func TestPersonLogsIn(t *testing.T) {
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.logsIn(p)
	s.fails(p, wrong)
	if d := s.device(p); d.Streak != 1 || d.Total != 1 || d.State != "active" {
		t.Errorf("%+v", d)
	}
	s.logsIn(p)
	if d := s.device(p); d.Streak != 0 || d.Total != 1 || d.State != "active" {
		t.Errorf("%+v", d)
	}
}
