package e2e_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness"
	"rolecall/harness/e2e/corpus"
	"rolecall/harness/inventory"
)

var gateSets = flag.Int("gate.sets", 0, "how many submissions TestGate judges at a time, each on clusters of its own; 0: six on clusters that start in seconds, two elsewhere")

var update = flag.Bool("update", false, "rewrite in the wrong submissions what learners are told about them")

// TestGate is the author's gate: the checks are tested against submissions
// whose verdict is known. Starters fail, solutions pass twice, each wrong one
// fails on exactly the check that its file names and with that message, each
// right one passes, all alike on every cluster, and each cluster is afterwards
// what it was before.
func TestGate(t *testing.T) {
	sets := *gateSets
	if sets == 0 {
		sets = 6
		if slices.ContainsFunc(testbeds(t), func(b testbed) bool { return !b.provider.Quick() }) {
			sets = 2
		}
	}
	g := &gate{test: t}
	turns := g.turns(t)
	var judges sync.WaitGroup
	for range sets {
		judges.Go(func() {
			for s := range turns {
				t.Run(s.name, s.judge)
			}
		})
	}
	judges.Wait()
	g.report(t)
}

// turns are all submissions. Those of each lab are spread over the whole time:
// while one waits for a token's end, others have the processor.
func (g *gate) turns(t *testing.T) <-chan submission {
	t.Helper()
	var all []submission
	for _, lab := range everything(t) {
		all = append(all, g.submissions(t, lab)...)
	}
	slices.SortStableFunc(all, func(a, b submission) int { return cmp.Compare(a.turn, b.turn) })
	turns := make(chan submission, len(all))
	for _, s := range all {
		turns <- s
	}
	close(turns)
	return turns
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
	test *testing.T // TestGate itself, for what outlives a subtest
	rows []*row     // a lab's each

	mu     sync.Mutex
	judged int
	sets   int         // that there are, numbered from 1
	free   [][]*judged // of them
}

// judged is a cluster that submissions are judged on.
type judged struct {
	testbed
	holds inventory.Inventory // before the first submission, and after each
}

// row is what became of a lab's wrong submissions.
type row struct {
	lab    harness.Lab
	wrong  int                 // how many there are
	judged int                 // of them
	killed map[string][]string // by check: those that it alone caught
}

// submission is one that is judged, in a subtest.
type submission struct {
	name  string
	turn  float64 // from 0 to 1
	judge func(*testing.T)
}

// submissions are a lab's.
func (g *gate) submissions(t *testing.T, lab harness.Lab) (all []submission) {
	t.Helper()
	add := func(of string, judge func(*testing.T)) {
		all = append(all, submission{name: path.Join(name(lab), of), judge: judge})
	}
	for _, c := range cases(t, lab, corpus.Right) { // first, for one takes as long as client-go keeps a token
		add(path.Join(corpus.Right, c.Name), func(t *testing.T) { g.passes(t, lab, writes(t.Context(), c), c.Mistake) })
	}
	if lab.Number > 0 {
		add("starter", func(t *testing.T) {
			starter := func(_ testbed, dir string) error { _, err := fix.course.Starter(lab, dir); return err }
			for _, r := range g.judge(t, lab, starter) {
				assert.Equal(t, harness.Fail, r.Outcome, "a starter fails, and as the learner's: %s", words(r))
			}
		})
	}
	for _, again := range []string{"solution", "solution-again"} {
		add(again, func(t *testing.T) {
			g.passes(t, lab, func(_ testbed, dir string) error { return fix.course.Solutions(dir) }, "the solution")
		})
	}
	wrong := cases(t, lab, corpus.Wrong)
	row := &row{lab: lab, wrong: len(wrong), killed: map[string][]string{}}
	g.rows = append(g.rows, row)
	for _, c := range wrong {
		add(path.Join(corpus.Wrong, c.Name), func(t *testing.T) {
			caught := g.fails(t, c)
			g.mu.Lock()
			defer g.mu.Unlock()
			row.judged++
			if caught {
				row.killed[c.Fails] = append(row.killed[c.Fails], c.Name)
			}
		})
	}
	for i := range all {
		all[i].turn = float64(i) / float64(len(all))
	}
	return all
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
	beds := g.take(t)
	defer g.giveBack(beds)
	verdicts := make([]harness.LabResult, len(beds))
	var group errgroup.Group
	for i, b := range beds {
		dir := t.TempDir()
		group.Go(func() error {
			err := write(b.testbed, dir)
			if err == nil {
				err = b.unchangedSince(t.Context(), b.holds, func() (err error) {
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

// take returns a set of clusters, one of each provider and up, on which nothing
// is judged: one that was given back or, as there is none, a new one.
func (g *gate) take(t *testing.T) (set []*judged) {
	t.Helper()
	g.mu.Lock()
	g.judged++
	if last := len(g.free) - 1; last >= 0 {
		set, g.free = g.free[last], g.free[:last]
		g.mu.Unlock()
		return set
	}
	g.sets++
	number := g.sets
	g.mu.Unlock()
	var group errgroup.Group
	for _, b := range testbeds(t) {
		j := &judged{testbed: b}
		if number > 1 {
			j.testbed = b.named(fmt.Sprintf("%s-%d", b.Name(), number))
			g.test.Cleanup(func() { j.leave(g.test) })
		}
		set = append(set, j)
		group.Go(func() (err error) {
			if number > 1 {
				err = j.Up(g.test.Context())
			}
			if err == nil {
				j.holds, err = inventory.Take(t.Context(), j.Config())
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	return set
}

func (g *gate) giveBack(set []*judged) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free = append(g.free, set)
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

// report prints which check is held up by which wrong submissions. One that
// none kills could as well be missing, which is known where all of a lab's
// wrong submissions were judged.
func (g *gate) report(t *testing.T) {
	assert.NotZero(t, g.judged, "-run chose no submission, so nothing was judged")
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
