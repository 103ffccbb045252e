// Package suite is a course's Go test suite: each lab is a feature of
// sigs.k8s.io/e2e-framework and each check an assessment, made from the events
// of the same harness.Run as every other front's.
//
//	go test ./labs -run 'TestLab/3$' -args -submission ../work -results ../out
package suite

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"

	"rolecall/harness"
	"rolecall/harness/cluster"
	"rolecall/harness/cluster/providers"
	"rolecall/harness/next"
	"rolecall/harness/progress"
	"rolecall/harness/report"
)

// Suite is a course under go test.
type Suite struct {
	course     harness.Course
	submission string // directory; "" for the reference solutions
	results    string // directory; "" for none
	choice     cluster.Choice
	options    cluster.Options

	env       env.Environment
	cluster   cluster.Cluster
	collected harness.Result // of all tests
}

// New returns a course's suite. TestMain calls Main; the other tests call Labs
// and Part.
func New(course harness.Course) *Suite {
	return &Suite{
		course: course,
		options: cluster.Options{
			Scene:   course.Scene,
			Display: progress.New(os.Stderr, false),
			Say:     func(line string) { fmt.Fprintln(os.Stderr, line) },
		},
		collected: harness.Result{StartedAt: time.Now().UTC()},
	}
}

// Main reads the flags, runs the package's tests and exits. The flags are our
// own beside e2e-framework's, of which -context and -kubeconfig serve -cluster
// existing.
func (s *Suite) Main(m *testing.M) {
	flag.StringVar(&s.submission, "submission", "", "the learner's `directory`, from the package's folder (default: the reference solutions)")
	flag.StringVar(&s.results, "results", "", "a `directory` for results.json and junit.xml, from the package's folder")
	flag.StringVar(&s.choice.Provider, "cluster", cluster.Auto, "the cluster's `provider`")
	flag.StringVar(&s.choice.Name, "name", cluster.DefaultName, "the cluster's `name`")
	flag.StringVar(&s.options.Home, "home", os.Getenv("ROLECALL_HOME"), "the `directory` for clusters and images (default: rolecall in the user's cache)")
	config, err := envconf.NewFromFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err == nil {
		s.env, err = env.NewWithContext(ctx, config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(s.env.Setup(s.choose).Run(m))
}

// choose finds the cluster for all tests. Each run brings it up.
func (s *Suite) choose(ctx context.Context, c *envconf.Config) (_ context.Context, err error) {
	if s.options.Home, err = cluster.Home(s.options.Home); err != nil {
		return ctx, err
	}
	all := providers.All(s.options, c.KubeconfigFile(), c.KubeContext())
	s.cluster, err = cluster.Choose(ctx, all, s.choice, s.options.Say)
	return ctx, advised(err)
}

// advised is an error whose text has its advice.
func advised(err error) error {
	if advice := next.Of(err); advice != "" {
		return fmt.Errorf("%w; next: %s", err, advice)
	}
	return err
}

// Labs runs each lab of the course as a subtest named by its number.
func (s *Suite) Labs(t *testing.T) {
	for _, lab := range s.course.Labs {
		t.Run(strconv.Itoa(lab.Number), func(t *testing.T) { s.run(t, []harness.Lab{lab}) })
	}
}

// Part runs a part of the course and, where it belongs to it, the story; ""
// names the default part.
func (s *Suite) Part(t *testing.T, name string) {
	t.Helper()
	labs, err := s.course.Select(name)
	require.NoError(t, err)
	s.run(t, labs)
}

// run runs labs on the submission, and writes what is known after it.
func (s *Suite) run(t *testing.T, labs []harness.Lab) {
	t.Helper()
	dir := s.submission
	if dir == "" {
		dir = t.TempDir()
		require.NoError(t, s.course.Solutions(dir))
	}
	r := newRun(labs, report.NewTerminal(os.Stdout, false), func(ctx context.Context, o harness.Observer) (*harness.Result, error) {
		return harness.Run(ctx, s.course, labs, s.cluster, dir, harness.Options{Home: s.options.Home, Observer: o, Say: s.options.Say})
	})
	s.env.Test(t, r.features()...)
	result, err := r.end()
	require.NoError(t, advised(err))
	if result == nil { // -feature or -assess chose nothing of it
		return
	}
	s.collected.Submission, s.collected.Cluster = dir, result.Cluster
	s.collected.Labs = append(s.collected.Labs, result.Labs...)
	if s.results != "" {
		s.collected.Sum()
		require.NoError(t, report.Write(s.results, &s.collected))
	}
}
