package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/cluster/providers"
	"rolecall/harness/inventory"
	"rolecall/harness/progress"
	"rolecall/labs"
)

// fixture is what the tests run on: a course, and clusters of ours.
type fixture struct {
	course   harness.Course
	folder   string // the course's, with its wrong and right submissions
	want     cluster.Choice
	beside   string // a second provider
	options  cluster.Options
	clusters func() ([]testbed, error) // up and clean; the first is the one to take apart
	binary   func() (string, error)    // the command
}

var fix = fixture{
	course: labs.Course(),
	folder: filepath.Join("../..", labs.Course().Path),
	options: cluster.Options{
		Scene:   labs.Course().Scene,
		Display: progress.New(os.Stderr, false),
		Say:     func(line string) { fmt.Fprintln(os.Stderr, line) },
	},
}

func TestMain(m *testing.M) {
	flag.StringVar(&fix.want.Provider, "cluster", cluster.Auto, "the `provider` of the cluster")
	flag.StringVar(&fix.want.Name, "name", cluster.DefaultName+"-e2e", "the clusters' `name`")
	flag.StringVar(&fix.beside, "beside", "", "a second `provider`: each check must end the same there; benchmarks run on both")
	program := flag.String("program", "", "the command that tests run, such as a release's one `file`; without it, the one that is built here")
	flag.StringVar(&fix.options.Home, "home", os.Getenv("ROLECALL_HOME"), "the `directory` for clusters and images")
	flag.Parse()
	home, err := cluster.Home(fix.options.Home)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	temp, err := os.MkdirTemp("", "rolecall-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fix.options.Home = home
	fix.clusters = sync.OnceValues(bringUp)
	fix.binary = sync.OnceValues(func() (string, error) {
		if *program != "" {
			return filepath.Abs(*program)
		}
		binary := filepath.Join(temp, "rolecall")
		out, err := exec.Command("go", "build", "-o", binary, "../..").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return binary, err
	})
	status := m.Run()
	os.RemoveAll(temp)
	os.Exit(status)
}

// testbed is one of the clusters.
type testbed struct {
	cluster.Owned
	provider cluster.Provider
}

// bringUp brings the clusters up, at once, and takes away what a test that was
// killed left in them.
func bringUp() ([]testbed, error) {
	ctx := context.Background()
	all := providers.All(fix.options, "", "")
	first, err := cluster.ChooseOwned(ctx, all, fix.want, fix.options.Say)
	if err != nil {
		return nil, err
	}
	beds := []testbed{of(all, first)}
	if fix.beside != "" {
		second, err := cluster.ChooseOwned(ctx, all, cluster.Choice{Provider: fix.beside, Name: fix.want.Name}, fix.options.Say)
		if err != nil {
			return nil, err
		}
		beds = append(beds, of(all, second))
	}
	var group errgroup.Group
	for _, b := range beds {
		group.Go(func() error {
			return b.inside(ctx, os.TempDir(), func(context.Context, *check.Env) error { return nil })
		})
	}
	return beds, group.Wait()
}

func of(all []cluster.Provider, c cluster.Owned) testbed {
	for _, p := range all {
		if p.Name() == c.Provider() {
			return testbed{c, p}
		}
	}
	panic("a cluster of no provider: " + c.Provider())
}

// testbeds are the clusters that tests run on.
func testbeds(t testing.TB) []testbed {
	t.Helper()
	beds, err := fix.clusters()
	require.NoError(t, err)
	return beds
}

// bed is the cluster that a test may take apart.
func bed(t testing.TB) testbed { return testbeds(t)[0] }

// only is bed where it is of that provider.
func only(t testing.TB, provider string) testbed {
	t.Helper()
	b := bed(t)
	if b.Provider() != provider {
		t.Skipf("this test runs with CLUSTER=%s", provider)
	}
	return b
}

// named is the same provider's cluster of another name.
func (b testbed) named(name string) testbed {
	return testbed{b.provider.Cluster(name).(cluster.Owned), b.provider}
}

// folder is where the cluster's files are.
func (b testbed) folder() string { return filepath.Dir(b.Kubeconfig()) }

func (b testbed) client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(b.Config())
	require.NoError(t, err)
	return client
}

// run judges labs on a submission, by the engine's own path.
func (b testbed) run(ctx context.Context, labs []harness.Lab, dir string) (*harness.Result, error) {
	return harness.Run(ctx, fix.course, labs, b.Owned, dir, harness.Options{Home: fix.options.Home, Say: fix.options.Say})
}

// inside runs do as the only check of a made-up lab.
func (b testbed) inside(ctx context.Context, dir string, do func(context.Context, *check.Env) error) error {
	lab := harness.Lab{Slug: "e2e", Title: "A test", Checks: []harness.Check{{ID: "e2e.test", Run: do}}}
	result, err := b.run(ctx, []harness.Lab{lab}, dir)
	if err != nil {
		return err
	}
	if c := result.Labs[0].Checks[0]; c.Outcome != harness.Pass || result.Labs[0].Cleanup != "" {
		return fmt.Errorf("%s %s %s", words(result.Labs[0]), c.Next, result.Labs[0].Cleanup)
	}
	return nil
}

// passes holds a lab to pass on the reference solutions.
func (b testbed) passes(t testing.TB, number int) {
	t.Helper()
	result, err := b.run(t.Context(), []harness.Lab{lab(t, number)}, solutions(t))
	require.NoError(t, err)
	require.Equal(t, harness.Pass, result.Outcome, "%s", words(result.Labs[0]))
}

func lab(t testing.TB, number int) harness.Lab {
	t.Helper()
	lab, err := fix.course.Lab(number)
	require.NoError(t, err)
	return lab
}

// number is a lab's on the command line.
func number(lab harness.Lab) string { return strconv.Itoa(lab.Number) }

// everything are all labs and the story.
func everything(t testing.TB) []harness.Lab {
	t.Helper()
	all, err := fix.course.Select("all")
	require.NoError(t, err)
	return all
}

// solutions are the reference solutions in a directory.
func solutions(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, fix.course.Solutions(dir))
	return dir
}

// unchanged holds a cluster to what it held, at the end of do.
func (b testbed) unchanged(ctx context.Context, do func() error) error {
	before, err := inventory.Take(ctx, b.Config())
	if err != nil {
		return err
	}
	return b.unchangedSince(ctx, before, do)
}

// unchangedSince holds a cluster to what it held before, at the end of do.
func (b testbed) unchangedSince(ctx context.Context, before inventory.Inventory, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	after, err := inventory.Take(ctx, b.Config())
	if err != nil {
		return err
	}
	if left := after.Without(before).Sorted(); len(left) > 0 {
		return fmt.Errorf("left behind: %v", left)
	}
	if gone := before.Without(after).Sorted(); len(gone) > 0 {
		return fmt.Errorf("taken away: %v", gone)
	}
	return nil
}

// leave deletes a cluster of a test's own, as the command does: its lock goes, too.
func (b testbed) leave(t testing.TB) {
	ctx := context.Background() // the test's is over
	release, err := cluster.Lock(ctx, fix.options.Home, b, fix.options.Say)
	require.NoError(t, err)
	assert.NoError(t, b.Down(ctx))
	release()
}
