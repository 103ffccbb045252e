package learn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness"
	"rolecall/harness/next"
)

// asks asks for a hint and returns the levels that are shown, and which is new.
func asks(t *testing.T, p *Progress, lab harness.Lab) (id string, levels []int, isNew bool) {
	t.Helper()
	h, err := p.Hint(lab)
	require.NoError(t, err)
	for _, step := range h.Steps {
		levels = append(levels, step.Level)
	}
	assert.Equal(t, len(levels) == Levels, h.Last)
	return h.Check.ID, levels, h.New
}

func TestHintsWaitForAttempts(t *testing.T) {
	p, _, _ := learner(t)
	dough := p.course.Labs[0]
	for _, step := range []struct {
		run    string // before asking
		id     string
		levels []int
		isNew  bool
	}{
		{"dough.first", "dough.first", []int{1}, true},
		{"", "dough.first", []int{1}, false},
		{"!dough", "", nil, false}, // no attempt, and no failure to hint at
		{"dough.first", "dough.first", []int{1, 2}, true},
		{"", "dough.first", []int{1, 2}, false},
		{"dough.second", "dough.second", []int{1}, true}, // another check has its own
		{"dough.first", "dough.first", []int{1, 2, 3}, true},
		{"", "dough.first", []int{1, 2, 3}, false},
		{"dough.first", "dough.first", []int{1, 2, 3}, false},
	} {
		if step.run != "" {
			tries(t, p, step.run)
		}
		if step.id == "" {
			_, err := p.Hint(dough)
			require.ErrorContains(t, err, "could not be checked the last time")
			assert.Equal(t, "make lab-1", next.Of(err))
			continue
		}
		id, levels, isNew := asks(t, p, dough)
		assert.Equal(t, step.id, id)
		assert.Equal(t, step.levels, levels)
		assert.Equal(t, step.isNew, isNew)
	}
	tries(t, p, "dough")
	_, err := p.Hint(dough)
	require.ErrorIs(t, err, ErrPassed)

	result := run("dough", "oven.first")
	require.NoError(t, p.Tell(result))
	assert.Equal(t, map[string]int{"dough.first": 3, "dough.second": 1}, result.Labs[0].Hints)
	assert.Nil(t, result.Labs[1].Hints)
}

func TestWhatHintsSay(t *testing.T) {
	p, _, _ := learner(t)
	dough := p.course.Labs[0]
	for range Levels {
		tries(t, p, "dough.first")
		_, err := p.Hint(dough)
		require.NoError(t, err)
	}
	h, err := p.Hint(dough)
	require.NoError(t, err)
	assert.Equal(t, []Step{{1, "the idea", "The idea of dough.first."}, {2, "what was found in yours", ""}, {3, "a similar case", "Elsewhere."}}, h.Steps)
	assert.Equal(t, []any{"stone", "Add water."}, []any{h.Check.Got, h.Check.Hint})
}

// TestACourseWithoutHints has only what a check found, which waits for nothing.
func TestACourseWithoutHints(t *testing.T) {
	p, submission, _ := learner(t)
	p.course.Files = nil
	tries(t, p, "oven.first")
	h, err := p.Hint(p.course.Labs[1])
	require.NoError(t, err)
	assert.Equal(t, []any{0, true, true}, []any{h.Steps[0].Level, h.New, h.Last})
	assert.Equal(t, "Add water.", h.Check.Hint)
	text, err := os.ReadFile(filepath.Join(submission+"-progress", File))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "hints", "and is none that counts")
}

func TestThereIsNothingToHintAt(t *testing.T) {
	p, submission, _ := learner(t)
	_, err := p.Hint(p.course.Labs[1])
	require.EqualError(t, err, "giving a hint: Lab 2: oven was not checked yet")
	assert.Equal(t, "make lab-2", next.Of(err))
	require.NoError(t, os.Mkdir(submission+"-progress", 0o755))
	for _, text := range []string{"", "{}", "[1]", strings.Repeat("[", 100_000), `{"schema": "rolecall/results/v1", "labs": [{"lab": 1}]}`, `{"schema": "rolecall/results/v9", "labs": [{"lab": 2}]}`} {
		require.NoError(t, os.WriteFile(filepath.Join(submission+"-progress", "lab-2.json"), []byte(text), 0o644))
		_, err = p.Hint(p.course.Labs[1])
		require.ErrorContains(t, err, "lab-2.json")
		assert.Equal(t, "make lab-2", next.Of(err))
	}
	require.NoError(t, os.Truncate(filepath.Join(submission+"-progress", "lab-2.json"), 64<<20+1))
	_, err = p.Hint(p.course.Labs[1])
	require.ErrorContains(t, err, "lab-2.json")
}
