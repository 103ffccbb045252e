package watch

import (
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/report"
)

// newScreen is a screen of two labs on which nothing was judged yet.
func newScreen(t *testing.T) (*screen, *[]int) {
	chosen := &[]int{}
	s := &screen{
		Labs: Labs{
			Submission: "work", Labs: []harness.Lab{{Number: 1, Title: "The kettle"}, {Number: 2, Title: "The cup"}},
			Report: func(_ harness.Lab, v Verdict, evidence bool) string {
				if v.Err != nil {
					return "rolecall: " + v.Err.Error()
				}
				var b strings.Builder
				terminal := report.NewTerminal(&b, true)
				if !evidence {
					v = failed()
					v.Result.Labs[0].Checks[0].Evidence = nil
				}
				v.Result.Replay(terminal)
				terminal.Summary(v.Result)
				return b.String()
			},
			Actions: []Action{
				{Key: "t", Name: "task", Do: func(l harness.Lab) (string, error) { return "The task of " + l.Title, nil }},
				{Key: "r", Name: "reset",
					Question: func(l harness.Lab) string { return "Start over?" },
					Do:       func(harness.Lab) (string, error) { return "Started over.", nil }},
				{Key: "x", Name: "breaks", Do: func(harness.Lab) (string, error) { return "", errors.New("it broke") }},
			},
		},
		choose: func(i int) { *chosen = append(*chosen, i) },
	}
	s.Update(tea.WindowSizeMsg{Width: 60, Height: 16})
	return s, chosen
}

func press(s *screen, key rune) tea.Cmd {
	_, cmd := s.Update(tea.KeyPressMsg{Code: key, Text: string(key)})
	if cmd != nil {
		cmd()
	}
	return cmd
}

func (s *screen) shown() string { return ansi.Strip(s.text()) }

func failed() Verdict {
	r := &harness.Result{Labs: []harness.LabResult{{Number: 1, Title: "The kettle", Outcome: harness.Fail, MaxPoints: 4, Checks: []harness.CheckResult{{
		ID: "kettle.boils", Desc: "the water of the kettle boils within three minutes of being asked to", Outcome: harness.Fail, MaxPoints: 4,
		Want: "100 °C", Got: "20 °C", Hint: "Switch it on.", Evidence: []check.Evidence{{Object: "the thermometer shows 20 °C"}},
	}}}}}
	r.Sum()
	return Verdict{Result: r}
}

func TestScreenShowsAVerdict(t *testing.T) {
	s, _ := newScreen(t)
	assert.Contains(t, s.shown(), "Lab 1: The kettle")
	s.Update(began{0, "kettle.boils"})
	assert.Contains(t, s.shown(), "checking kettle.boils …")
	s.Update(judged{0, failed()})
	text := s.shown()
	for _, line := range strings.Split(text, "\n") {
		assert.LessOrEqual(t, ansi.StringWidth(line), 60)
	}
	assert.Len(t, strings.Split(text, "\n"), 16, "it fills the screen and no more")
	assert.Contains(t, text, "✗ kettle.boils  the water of the kettle boils within three")
	assert.Contains(t, text, "\n                  minutes of being asked to", "what is too long goes on below its beginning")
	assert.Contains(t, text, "waiting for a change of work/lab-1")
	assert.Contains(t, text, "n next  p previous  e evidence  t task  r reset")
	assert.NotContains(t, text, "thermometer")
	press(s, 'e')
	assert.Contains(t, s.shown()+scrolled(s), "the thermometer shows 20 °C")
}

// scrolled is what is seen further down.
func scrolled(s *screen) string {
	s.Update(tea.KeyPressMsg{Code: tea.KeyPgDown})
	return s.shown()
}

func TestScreenGoesFromLabToLab(t *testing.T) {
	s, chosen := newScreen(t)
	s.Update(judged{0, failed()})
	press(s, 'n')
	press(s, 'n') // there is no third
	assert.Equal(t, []int{1}, *chosen)
	assert.Contains(t, s.shown(), "Lab 2: The cup")
	s.Update(judged{0, failed()}) // of the lab that was left
	assert.NotContains(t, s.shown(), "kettle.boils")
	press(s, 'p')
	assert.Equal(t, []int{1, 0}, *chosen)
}

func TestScreenActs(t *testing.T) {
	s, _ := newScreen(t)
	press(s, 't')
	assert.Contains(t, s.shown(), "The task of The kettle")
	s.Update(tea.KeyPressMsg{Code: tea.KeyEscape})
	assert.NotContains(t, s.shown(), "The task")
	press(s, 'r')
	assert.Contains(t, s.shown(), "Start over? [y/n]")
	press(s, 'n') // no, and not the next lab
	assert.Equal(t, 0, s.at)
	assert.NotContains(t, s.shown(), "Started over")
	press(s, 'r')
	press(s, 'y')
	assert.Contains(t, s.shown(), "Started over.")
	press(s, 'x')
	assert.Contains(t, s.shown(), "it broke")
	press(s, 'z')
	assert.Contains(t, s.shown(), "it broke", "a key that does nothing changes nothing")
}

func TestScreenExplainsErrors(t *testing.T) {
	s, _ := newScreen(t)
	s.Update(judged{0, Verdict{Err: errors.New("the cluster is away")}})
	assert.Contains(t, s.shown(), "rolecall: the cluster is away")
}

func TestScreenFitsSmallTerminals(t *testing.T) {
	s, _ := newScreen(t)
	s.Update(judged{0, failed()})
	for _, size := range []tea.WindowSizeMsg{{}, {Width: 1, Height: 1}, {Width: 20, Height: 6}, {Width: 500, Height: 300}} {
		s.Update(size)
		require.NotPanics(t, func() { s.shown() })
	}
}

func TestQuit(t *testing.T) {
	s, _ := newScreen(t)
	cmd := press(s, 'q')
	require.NotNil(t, cmd)
	assert.IsType(t, tea.QuitMsg{}, cmd())
}
