package e2e_test

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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness"
	"rolecall/harness/e2e/corpus"
)

var gateSets = flag.Int("gate.sets", 0, "how many submissions TestGate judges at a time, each on clusters of its own, and -parallel at most; 0: three on clusters that start in seconds (six where a lab mostly waits), two elsewhere")

// patient is how long a verdict on the solution takes where the checks mostly
// wait: for a token's end, or for the API server to take a configuration.
const patient = 8 * time.Second

var update = flag.Bool("update", false, "rewrite in the wrong submissions what learners are told about them")

// TestGate is the author's gate: the checks are tested against submissions
// whose verdict is known. Starters fail, solutions pass twice, each wrong one
// fails on exactly the check that its file names and with that message, each
// right one passes, all alike on every cluster, and each cluster is afterwards
// what it was before.
func TestGate(t *testing.T) {
	g := &gate{quick: !slices.ContainsFunc(testbeds(t), func(b testbed) bool { return !b.provider.Quick() })}
	sets := *gateSets
	if sets == 0 {
		sets = 2
		if g.quick {
			sets = 3
		}
	}
	g.provide(t, sets)
	for _, lab := range everything(t) {
		g.rows = append(g.rows, row{lab: lab, killed: map[string][]string{}})
		t.Run(name(lab), g.lab)
	}
	assert.NotZero(t, g.judged, "-run chose no submission, so nothing was judged")
	g.report(t)
}

// provide brings up sets of clusters until there are so many.
func (g *gate) provide(t *testing.T, sets int) {
	t.Helper()
	for i := len(g.sets); i < sets; i++ {
		g.sets = append(g.sets, set(t, i))
	}
	g.free = make(chan []testbed, sets)
	for _, set := range g.sets {
		g.free <- set
	}
}

// widen doubles the sets of clusters until the end of a lab whose checks mostly
// wait, where the clusters start in seconds.
func (g *gate) widen(t *testing.T) {
	t.Helper()
	usual := len(g.sets)
	t.Cleanup(func() {
		g.sets = g.sets[:usual]
		g.provide(t, usual)
	})
	g.provide(t, 2*usual)
}

// set is one cluster of each provider, up and clean.
func set(t *testing.T, i int) []testbed {
	t.Helper()
	beds := testbeds(t)
	if i == 0 {
		return beds
	}
	more := make([]testbed, len(beds))
	var group errgroup.Group
	for j, b := range beds {
		more[j] = b.named(fmt.Sprintf("%s-%d", b.Name(), i+1))
		t.Cleanup(func() { more[j].leave(t) })
		group.Go(func() error { return more[j].Up(t.Context()) })
	}
	require.NoError(t, group.Wait())
	return more
}

// name is a lab's in the names of subtests.
func name(lab harness.Lab) string {
	if lab.Number == 0 {
		return lab.Slug
	}
	return lab.Folder()
}

// gate is one run of the author's gate.
type gate struct {
	quick bool           // the clusters start in seconds
	sets  [][]testbed    // of clusters, one of each provider
	free  chan []testbed // those on which nothing is judged

	mu     sync.Mutex
	judged int
	rows   []row // the last one is the lab that is judged
}

// row is what became of a lab's wrong submissions.
type row struct {
	lab    harness.Lab
	wrong  int                 // how many there are
	judged int                 // of them
	killed map[string][]string // by check: those that it alone caught
}

func (g *gate) lab(t *testing.T) {
	row := &g.rows[len(g.rows)-1]
	lab := row.lab
	if lab.Number > 0 {
		t.Run("starter", func(t *testing.T) {
			starter := func(_ testbed, dir string) error { _, err := fix.course.Starter(lab, dir); return err }
			for _, r := range g.judge(t, lab, starter) {
				assert.Equal(t, harness.Fail, r.Outcome, "a starter fails, and as the learner's: %s", words(r))
			}
		})
	}
	began := time.Now()
	for _, again := range []string{"solution", "solution-again"} {
		t.Run(again, func(t *testing.T) {
			g.passes(t, lab, func(_ testbed, dir string) error { return fix.course.Solutions(dir) }, "the solution")
		})
	}
	if g.quick && time.Since(began) > 2*patient {
		g.widen(t)
	}
	wrong, right := cases(t, lab, corpus.Wrong), cases(t, lab, corpus.Right)
	row.wrong = len(wrong)
	t.Run(corpus.Right, func(t *testing.T) { // first, for one program takes as long as client-go keeps a token
		t.Parallel()
		for _, c := range right {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				g.passes(t, lab, writes(t.Context(), c), c.Mistake)
			})
		}
	})
	t.Run(corpus.Wrong, func(t *testing.T) {
		t.Parallel()
		for _, c := range wrong {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				caught := g.fails(t, c)
				g.mu.Lock()
				defer g.mu.Unlock()
				row.judged++
				if caught {
					row.killed[c.Fails] = append(row.killed[c.Fails], c.Name)
				}
			})
		}
	})
}

func cases(t *testing.T, lab harness.Lab, verdict string) []corpus.Case {
	t.Helper()
	all, err := corpus.Cases(os.DirFS(fix.folder), fix.course, lab, verdict)
	require.NoError(t, err)
	return all
}

func (g *gate) passes(t *testing.T, lab harness.Lab, write func(testbed, string) error, what string) {
	t.Helper()
	for _, r := range g.judge(t, lab, write) {
		assert.Equal(t, harness.Pass, r.Outcome, "%s: %s", what, words(r))
	}
}

// fails holds a wrong submission to its check and its message, and reports
// whether that check alone caught it.
func (g *gate) fails(t *testing.T, c corpus.Case) bool {
	t.Helper()
	told := map[string]corpus.Message{}
	caught := true
	for provider, r := range g.judge(t, c.Lab, writes(t.Context(), c)) {
		if !assert.Equal(t, caughtBy(c.Fails, c.Lab), outcomes(r), "on %s, %s: %s", provider, c.Mistake, words(r)) {
			caught = false
			continue
		}
		told[provider] = corpus.MessageOf(with(r, harness.Fail)[0])
		assert.NotEmpty(t, told[provider].Hint, "on %s, %s ends without a hint", provider, c.File)
		if !*update {
			assert.Equal(t, c.MessageOn(provider), told[provider], "on %s, what the learner is told is not what %s says; run with -update and read the diff", provider, c.File)
		}
	}
	if *update && caught {
		require.NoError(t, c.Rewrite(fix.folder, told))
	}
	return caught
}

// judge runs a lab on a submission, on all clusters of a set at once, and holds
// each check to the same outcome everywhere. It returns the verdicts by provider.
func (g *gate) judge(t *testing.T, lab harness.Lab, write func(testbed, string) error) map[string]harness.LabResult {
	t.Helper()
	beds := <-g.free
	defer func() { g.free <- beds }()
	g.mu.Lock()
	g.judged++
	g.mu.Unlock()
	verdicts := make([]harness.LabResult, len(beds))
	var group errgroup.Group
	for i, b := range beds {
		dir := t.TempDir()
		group.Go(func() error {
			err := write(b, dir)
			if err == nil {
				err = b.unchanged(t.Context(), func() (err error) {
					verdicts[i], err = b.judge(t.Context(), lab, dir)
					return err
				})
			}
			if err != nil {
				err = fmt.Errorf("on %s: %w", b.Provider(), err)
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	byProvider := map[string]harness.LabResult{}
	for i, v := range verdicts {
		assert.Equal(t, outcomes(verdicts[0]), outcomes(v), "on %s as on %s", beds[i].Provider(), beds[0].Provider())
		byProvider[beds[i].Provider()] = v
	}
	return byProvider
}

// judge is the verdict on one lab; the story's follows from the other labs.
func (b testbed) judge(ctx context.Context, lab harness.Lab, dir string) (none harness.LabResult, err error) {
	labs := []harness.Lab{lab}
	if lab.Number == 0 {
		if labs, err = fix.course.Select(""); err != nil {
			return none, err
		}
	}
	result, err := b.run(ctx, labs, dir)
	if err != nil {
		return none, err
	}
	last := len(result.Labs) - 1
	for _, r := range result.Labs {
		if r.Cleanup != "" {
			return none, fmt.Errorf("cleaning up after %s: %s", r.Heading(), r.Cleanup)
		}
	}
	for _, r := range result.Labs[:last] {
		if r.Outcome != harness.Pass {
			return none, fmt.Errorf("%s before the story: %s", r.Heading(), words(r))
		}
	}
	return result.Labs[last], nil
}

// writes writes a case out, with a token of the cluster's if it needs one.
func writes(ctx context.Context, c corpus.Case) func(testbed, string) error {
	return func(b testbed, dir string) error {
		token := ""
		if c.NeedsToken() {
			client, err := kubernetes.NewForConfig(b.Config())
			if err != nil {
				return err
			}
			request, err := client.CoreV1().ServiceAccounts(b.Namespaces().Home()).CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			token = request.Status.Token
		}
		return c.Write(fix.course, dir, token)
	}
}

// caughtBy are the outcomes of a lab's checks where one alone fails: those that
// build on it are skipped, the others pass.
func caughtBy(id string, lab harness.Lab) (all []string) {
	without := map[string]bool{}
	for _, c := range lab.Checks { // each stands after what it needs
		outcome := harness.Pass
		switch {
		case c.ID == id:
			outcome = harness.Fail
		case slices.ContainsFunc(c.Needs, func(need string) bool { return without[need] }):
			outcome = harness.Skipped
		}
		without[c.ID] = outcome != harness.Pass
		all = append(all, c.ID+": "+string(outcome))
	}
	return all
}

func outcomes(r harness.LabResult) (all []string) {
	for _, c := range r.Checks {
		all = append(all, c.ID+": "+string(c.Outcome))
	}
	return all
}

// with are the checks with an outcome.
func with(r harness.LabResult, o harness.Outcome) (checks []harness.CheckResult) {
	for _, c := range r.Checks {
		if c.Outcome == o {
			checks = append(checks, c)
		}
	}
	return checks
}

// words is a verdict in lines, for a test's failure.
func words(r harness.LabResult) string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "\n%s %s", c.Outcome, c.ID)
		switch c.Outcome {
		case harness.Fail:
			fmt.Fprintf(&b, ": wanted %q, found %q", c.Want, c.Got)
		case harness.Error, harness.Skipped:
			b.WriteString(": " + c.Error)
			if c.Next != "" {
				b.WriteString("; next: " + c.Next)
			}
		}
	}
	return b.String()
}

// report prints which check is held up by which wrong submissions. One that
// none kills could as well be missing, which is known where all of a lab's
// wrong submissions were judged.
func (g *gate) report(t *testing.T) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "\ncheck\twrong submissions that it alone caught")
	for _, row := range g.rows {
		if row.judged == 0 {
			continue
		}
		for _, c := range row.lab.Checks {
			names := slices.Sorted(slices.Values(row.killed[c.ID]))
			fmt.Fprintf(w, "%s\t%d: %s\n", c.ID, len(names), strings.Join(names, ", "))
			if row.judged == row.wrong {
				assert.NotEmpty(t, names, "no wrong submission is caught by %s alone", c.ID)
			}
		}
	}
}
