package suite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/e2e-framework/pkg/env"

	"rolecall/harness"
	"rolecall/harness/report"
)

// course is about something else than the labs.
var course = []harness.Lab{
	{Number: 1, Slug: "dough", Title: "Making dough", Checks: []harness.Check{
		{ID: "dough.rises"}, {ID: "dough.tastes"}, {ID: "dough.keeps"}, {ID: "dough.weighs"},
	}},
	{Number: 2, Slug: "bread", Title: "Baking bread", Checks: []harness.Check{{ID: "bread.crust"}}},
}

// kitchen plays a run: lab 1 has each outcome, and what it made stays; lab 2 is
// never judged.
func kitchen(_ context.Context, o harness.Observer) (*harness.Result, error) {
	o.LabBegins(course[0])
	for _, c := range []harness.CheckResult{
		{ID: "dough.rises", Outcome: harness.Pass},
		{ID: "dough.tastes", Outcome: harness.Fail, Want: "salt", Got: "sugar", Hint: "Read the label."},
		{ID: "dough.keeps", Outcome: harness.Skipped, Error: "builds on dough.tastes"},
		{ID: "dough.weighs", Outcome: harness.Error, Error: "reading the scales: no power", Next: "make light"},
	} {
		o.CheckBegins(harness.Check{ID: c.ID})
		o.CheckEnds(c)
	}
	o.LabEnds(harness.LabResult{Slug: "dough", Cleanup: "the bowl is stuck"})
	return nil, errors.New("the oven is cold")
}

// TestOutcomes holds go test's words to the events of a run, which a process of
// its own plays: there the test fails.
func TestOutcomes(t *testing.T) {
	if os.Getenv("KITCHEN") != "" {
		r := newRun(course, report.NewTerminal(&bytes.Buffer{}, false), kitchen)
		env.New().Test(t, r.features()...)
		_, err := r.end()
		require.NoError(t, err)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "TestOutcomes", "-test.v")
	cmd.Env = append(os.Environ(), "KITCHEN=open")
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	said := string(out)
	for _, line := range []string{
		"--- PASS: TestOutcomes/dough/dough.rises", "--- FAIL: TestOutcomes/dough/dough.tastes",
		"--- SKIP: TestOutcomes/dough/dough.keeps", "--- FAIL: TestOutcomes/dough/dough.weighs",
		"--- FAIL: TestOutcomes/bread/bread.crust",
		"wanted salt", "found  sugar", "hint   Read the label.", "builds on dough.tastes",
		"could not check: reading the scales: no power", "next: make light",
		"cleaning up: the bowl is stuck", "nothing was judged", "the oven is cold",
	} {
		assert.Contains(t, said, line)
	}
	assert.Equal(t, 5, strings.Count(said, "--- PASS")+strings.Count(said, "--- FAIL: TestOutcomes/dough/")+strings.Count(said, "--- FAIL: TestOutcomes/bread/")+strings.Count(said, "--- SKIP"), said)
}

// TestNothingChosenStartsNothing has e2e-framework choose no assessment.
func TestNothingChosenStartsNothing(t *testing.T) {
	r := newRun(course, nil, func(context.Context, harness.Observer) (*harness.Result, error) { panic("it started") })
	result, err := r.end()
	assert.NoError(t, err)
	assert.Nil(t, result)
}
