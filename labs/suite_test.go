// The Go test suite: each lab as a feature of sigs.k8s.io/e2e-framework, over
// the same engine as the command.
//
//	go test ./labs -run 'TestLab3$' -args -submission ../work -results ../out
package labs_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/e2e-framework/klient"
	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/cluster/choice"
	"rolecall/harness/progress"
	"rolecall/harness/report"
	"rolecall/labs"
	"rolecall/steps"
)

// Flags of ours stand beside e2e-framework's own, of which -context and
// -kubeconfig serve -cluster existing.
var (
	submission = flag.String("submission", "", "the learner's `directory`, from labs/ (default: the reference solutions)")
	results    = flag.String("results", "", "a `directory` for results.json and junit.xml, from labs/")
	wish       = choice.Wish{
		Display: progress.New(os.Stderr, false),
		Say:     func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
)

// The suite's cluster, up for every test.
var (
	suite     env.Environment
	lab       venue
	release   func() // lets other commands use it
	collected = harness.Result{StartedAt: time.Now().UTC()}
)

// venue is a cluster that tests run on.
type venue struct {
	cluster.Cluster
	kind string
}

func TestMain(m *testing.M) {
	flag.StringVar(&wish.Cluster, "cluster", "auto", "auto, kind, embedded or existing")
	flag.StringVar(&wish.Name, "name", cluster.DefaultName, "the cluster's `name`")
	flag.StringVar(&wish.Home, "home", os.Getenv("ROLECALL_HOME"), "the `directory` for clusters and images")
	var err error
	if suite, err = env.NewFromFlags(); err != nil {
		fmt.Fprintln(os.Stderr, "rolecall:", err)
		os.Exit(2)
	}
	suite.Setup(bringUp)
	suite.Finish(writeResults, takeDown)
	os.Exit(suite.Run(m))
}

func bringUp(ctx context.Context, c *envconf.Config) (_ context.Context, err error) {
	wish.Kubeconfig, wish.Context = c.KubeconfigFile(), c.KubeContext()
	if wish.Home, err = choice.Home(wish.Home); err != nil {
		return ctx, err
	}
	if release, err = wish.Alone(ctx); err != nil {
		return ctx, err
	}
	if lab.Cluster, lab.kind, err = wish.Choose(ctx); err != nil {
		return ctx, err
	}
	if err = lab.Up(ctx); err != nil {
		return ctx, err
	}
	client, err := klient.New(lab.Config())
	c.WithClient(client)
	return ctx, err
}

func writeResults(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	if *results == "" || len(collected.Steps) == 0 {
		return ctx, nil
	}
	collected.Sum()
	return ctx, report.Write(*results, &collected)
}

// takeDown leaves a cluster of ours for the next run; make down deletes it.
func takeDown(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	if lab.kind != "existing" {
		return ctx, nil
	}
	return ctx, lab.Down(ctx)
}

func TestLab1(t *testing.T) { testLab(t, 1) }
func TestLab2(t *testing.T) { testLab(t, 2) }
func TestLab3(t *testing.T) { testLab(t, 3) }
func TestLab4(t *testing.T) { testLab(t, 4) }
func TestLab5(t *testing.T) { testLab(t, 5) }

// TestWalkthrough is all five labs on one submission, and the story.
func TestWalkthrough(t *testing.T) { testSteps(t, steps.All()) }

func testLab(t *testing.T, number int) {
	step, found := steps.Lab(number)
	require.True(t, found, "lab %d", number)
	testSteps(t, []harness.Step{step})
}

// testSteps runs steps on the submission, a feature each, in one session.
func testSteps(t *testing.T, todo []harness.Step) {
	dir := *submission
	if dir == "" {
		dir = t.TempDir()
		require.NoError(t, labs.Solutions(dir))
	}
	session := open(t, dir)
	collected.Submission, collected.Cluster = dir, session.Facts
	runner := session.Runner(report.NewTerminal(os.Stdout, false))
	for _, step := range todo {
		suite.Test(t, feature(runner, step))
	}
}

// feature is a step in e2e-framework's terms: each check is an assessment.
func feature(runner *harness.Runner, step harness.Step) features.Feature {
	began := time.Now()
	var broken error
	var checks []harness.CheckResult
	f := features.NewWithDescription(step.Slug, step.Title).WithLabel("lab", fmt.Sprint(step.Lab))
	f.Setup(func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
		t.Cleanup(func() {
			result := harness.NewStepResult(step, checks, time.Since(began))
			collected.Steps = append(collected.Steps, result)
			require.NoError(t, runner.End(ctx))
		})
		broken = runner.Begin(ctx, step)
		return ctx
	})
	for _, c := range step.Checks {
		f.AssessWithDescription(c.ID, c.Desc, func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
			result := runner.RunCheck(ctx, c, broken)
			checks = append(checks, result)
			switch result.Outcome {
			case harness.Fail:
				t.Errorf("wanted %s\nfound  %s\nhint   %s", result.Want, result.Got, result.Hint)
			case harness.Error:
				t.Errorf("could not check: %s", result.Error)
			case harness.Skipped:
				t.Skip(result.Error)
			}
			return ctx
		})
	}
	return f.Feature()
}

// open opens a session on the suite's cluster for one test.
func open(t testing.TB, dir string) *harness.Session { return lab.open(t, dir) }

func (v venue) open(t testing.TB, dir string) *harness.Session {
	t.Helper()
	module, sums := labs.Module()
	session, err := harness.Open(t.Context(), harness.Setting{
		Cluster: v.Cluster, Kind: v.kind, Submission: dir,
		Module: module, Sums: sums, Cache: filepath.Join(wish.Home, "programs"),
	})
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

// silent is an Observer that says nothing.
type silent struct{}

func (silent) StepBegins(harness.Step)       {}
func (silent) CheckBegins(harness.Check)     {}
func (silent) CheckEnds(harness.CheckResult) {}
func (silent) StepEnds(harness.StepResult)   {}
