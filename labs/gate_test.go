package labs_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/labs"
	"rolecall/steps"
)

var (
	gateTimes  = flag.Int("gate.times", 1, "how often the author's gate judges each submission; no verdict may differ")
	gateBeside = flag.String("beside", "", "judge each submission also on a cluster of this `kind`, where each check must end the same; benchmarks run on both")
	gateOnly   = flag.String("gate.only", "", "judge only submissions whose `lab/name` contains this")
)

var (
	beside     venue
	besideOnce sync.Once
)

// TestGate is the author's gate: the checks are tested against submissions
// whose verdict is known. Starters fail, solutions pass twice, each wrong one
// fails on exactly the check that its file names, each right one passes, and
// the cluster is afterwards what it was before.
func TestGate(t *testing.T) {
	for _, v := range gateVenues(t) {
		require.NoError(t, check.StartsClean(t.Context(), v.open(t, solutions(t)).Env), "an earlier run may have been killed")
	}
	caught := map[string][]string{} // check → wrong submissions that it alone caught
	for round := range *gateTimes {
		for _, number := range append(labs.Numbers, 0) {
			t.Run(fmt.Sprintf("round %d/%s", round+1, labName(number)), func(t *testing.T) {
				gateLab(t, number, caught)
			})
		}
	}
	if *gateOnly == "" && !t.Failed() {
		printCaught(t, caught)
	}
}

func labName(number int) string {
	if number == 0 {
		return "walkthrough"
	}
	return fmt.Sprintf("lab-%d", number)
}

func gateLab(t *testing.T, number int, caught map[string][]string) {
	if number > 0 {
		judge(t, number, "starter", func(_ venue, dir string) error { _, err := labs.Starter(number, dir); return err }, func(t *testing.T, r harness.StepResult) {
			assert.Equal(t, harness.Fail, r.Outcome, "a starter fails, and as the learner's: %s", told(r))
		})
	}
	for _, again := range []string{"solution", "solution again"} {
		judge(t, number, again, func(_ venue, dir string) error { return labs.Solutions(dir) }, func(t *testing.T, r harness.StepResult) {
			assert.Equal(t, harness.Pass, r.Outcome, told(r))
		})
	}
	wrong, err := labs.Cases(number, "wrong")
	require.NoError(t, err)
	for _, c := range wrong {
		judge(t, number, "wrong/"+c.Name, write(t, c), func(t *testing.T, r harness.StepResult) {
			if assert.Equal(t, []string{c.Fails}, failed(r), "%s: %s", c.Mistake, told(r)) {
				caught[c.Fails] = append(caught[c.Fails], c.Name)
			}
			assert.NotEqual(t, harness.Error, r.Outcome, told(r))
		})
	}
	right, err := labs.Cases(number, "right")
	require.NoError(t, err)
	for _, c := range right {
		judge(t, number, "right/"+c.Name, write(t, c), func(t *testing.T, r harness.StepResult) {
			assert.Equal(t, harness.Pass, r.Outcome, "%s: %s", c.Mistake, told(r))
		})
	}
}

// judge runs a lab on a submission, on each of the gate's clusters, and holds
// the verdict to what is expected, each check to the same outcome everywhere,
// and the clusters to what they were.
func judge(t *testing.T, number int, name string, lay func(v venue, dir string) error, expect func(*testing.T, harness.StepResult)) {
	if !strings.Contains(labName(number)+"/"+name, *gateOnly) {
		return
	}
	t.Run(name, func(t *testing.T) {
		venues := gateVenues(t)
		verdicts := make([]harness.StepResult, len(venues))
		done := t.Run("on", func(t *testing.T) {
			for i, v := range venues {
				t.Run(v.kind, func(t *testing.T) {
					t.Parallel()
					verdicts[i] = v.judge(t, number, lay)
				})
			}
		})
		require.True(t, done, "it was judged everywhere")
		for i, verdict := range verdicts {
			expect(t, verdict)
			assert.Equal(t, outcomes(verdicts[0]), outcomes(verdict), "on %s as on %s", venues[i].kind, venues[0].kind)
		}
	})
}

func (v venue) judge(t *testing.T, number int, lay func(v venue, dir string) error) harness.StepResult {
	dir := t.TempDir()
	require.NoError(t, lay(v, dir))
	before := v.take(t)
	results := v.open(t, dir).Runner(silent{}).Run(t.Context(), stepsOf(number))
	for _, r := range results[:len(results)-1] { // the labs before the story
		require.Equal(t, harness.Pass, r.Outcome, told(r))
	}
	after := v.take(t)
	assert.Empty(t, after.Without(before).Sorted(), "left behind")
	assert.Empty(t, before.Without(after).Sorted(), "taken away")
	return results[len(results)-1]
}

// gateVenues are the suite's cluster and the one beside it, if it is asked for.
func gateVenues(t testing.TB) []venue {
	if *gateBeside == "" {
		return []venue{lab}
	}
	besideOnce.Do(func() {
		other := wish
		other.Cluster = *gateBeside
		var err error
		beside.Cluster, beside.kind, err = other.Choose(t.Context())
		require.NoError(t, err)
		require.NoError(t, beside.Up(context.Background()))
	})
	return []venue{lab, beside}
}

func outcomes(r harness.StepResult) (all []string) {
	for _, c := range r.Checks {
		all = append(all, c.ID+": "+string(c.Outcome))
	}
	return all
}

// stepsOf is one lab, or all of them and the story.
func stepsOf(number int) []harness.Step {
	if step, found := steps.Lab(number); found {
		return []harness.Step{step}
	}
	return steps.All()
}

// write lays a case out with a token that is good, and bound to no pod.
func write(t *testing.T, c labs.Case) func(v venue, dir string) error {
	return func(v venue, dir string) error {
		token := ""
		if slices.ContainsFunc(c.Files, func(f labs.File) bool { return strings.Contains(string(f.Data), "@@TOKEN@@") }) {
			token = pastedToken(t, v)
		}
		return c.Write(dir, token)
	}
}

func pastedToken(t *testing.T, v venue) string {
	client, err := kubernetes.NewForConfig(v.Config())
	require.NoError(t, err)
	request, err := client.CoreV1().ServiceAccounts(v.Namespaces().Home).CreateToken(context.Background(), "default",
		&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	return request.Status.Token
}

// failed are the ids of the checks that failed.
func failed(r harness.StepResult) (ids []string) {
	for _, c := range r.Checks {
		if c.Outcome == harness.Fail {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// told is a verdict in lines, for a test's failure.
func told(r harness.StepResult) string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "\n%s %s", c.Outcome, c.ID)
		if c.Outcome != harness.Pass {
			fmt.Fprintf(&b, ": wanted %q, found %q %s", c.Want, c.Got, c.Error)
		}
	}
	return b.String()
}

// printCaught prints which check is held up by which wrong submissions. A
// check that none kills could as well be missing.
func printCaught(t *testing.T, caught map[string][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "\ncheck\twrong submissions that it alone caught")
	for _, step := range steps.All() {
		for _, c := range step.Checks {
			names := slices.Compact(slices.Sorted(slices.Values(caught[c.ID])))
			assert.NotEmpty(t, names, "no wrong submission is caught by %s alone", c.ID)
			fmt.Fprintf(w, "%s\t%d: %s\n", c.ID, len(names), strings.Join(names, ", "))
		}
	}
}
