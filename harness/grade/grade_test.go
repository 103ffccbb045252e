package grade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/cluster"
	"rolecall/harness/evidence"
	"rolecall/harness/report"
)

func labs() []harness.Lab {
	return []harness.Lab{
		{Slug: "pod", Number: 1, Title: "A pod", Files: []check.File{{Name: "pod.yaml"}}, Checks: []harness.Check{{ID: "pod.manifest", Points: 12}, {ID: "pod.running", Points: 8, Needs: []string{"pod.manifest"}}}},
		{Slug: "walkthrough", Title: "The story", Checks: []harness.Check{{ID: "walkthrough.cause"}}},
	}
}

func settings(t *testing.T) Settings {
	t.Helper()
	formats, err := report.ParseFormats("junit", os.Getenv)
	require.NoError(t, err)
	return Settings{Course: harness.Course{Labs: labs()[:1]}, Labs: labs(), Version: "v1", Key: signing, Formats: formats, Home: t.TempDir()}
}

// broken is a cluster that does not come up.
type broken struct {
	cluster.Owned // the rest, which is not asked
	err           error
	ups           int
	down          int
	wait          func(context.Context)
	handedOn      []int
}

func (b *broken) Exists() bool { return b.ups > 0 }

func (b *broken) Up(ctx context.Context) error {
	b.ups++
	if b.wait != nil {
		b.wait(ctx)
	}
	return b.err
}
func (b *broken) Config() *rest.Config           { return &rest.Config{} }
func (b *broken) Namespaces() cluster.Namespaces { return nil }
func (b *broken) Name() string                   { return "one" }
func (b *broken) Provider() string               { return "fake" }
func (b *broken) Leave(context.Context) error    { return nil }
func (b *broken) Running(context.Context) bool   { return true }
func (b *broken) TakeOver() (int, bool)          { return 4, true }
func (b *broken) HandOn(served int) error        { b.handedOn = append(b.handedOn, served); return nil }
func (b *broken) Renew(context.Context, int) error {
	return errors.New("it has forgotten")
}
func (b *broken) Down(context.Context) error         { b.down++; return nil }
func (b *broken) Logs(context.Context, string) error { return nil }

func grader(t *testing.T, lab cluster.Owned) *Grader {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Cleanup(func() {
		left, err := os.ReadDir(temp)
		assert.NoError(t, err)
		assert.Empty(t, left, "the submission's folder goes, whatever happened")
	})
	return &Grader{Settings: settings(t), Cluster: lab}
}

func submission(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "ada")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lab-1"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lab-1/pod.yaml"), []byte("kind: Pod\n"), 0o644))
	return dir
}

// TestNeedsReview: what cannot be graded as it is is neither a failure nor an
// error. Nothing is checked, and no cluster is made for it.
func TestNeedsReview(t *testing.T) {
	lab := &broken{}
	g := grader(t, lab)
	file := filepath.Join(t.TempDir(), "bob.zip")
	require.NoError(t, os.WriteFile(file, []byte("PK but no zip"), 0o644))
	out := t.TempDir()
	result, err := g.Grade(t.Context(), file, out)
	require.NoError(t, err)
	assert.Equal(t, harness.NeedsReview, result.Outcome)
	assert.Equal(t, 3, result.ExitStatus())
	assert.Equal(t, []int{0, 20}, []int{result.Points, result.MaxPoints})
	assert.Contains(t, result.Review.Reason, "the archive is broken")
	assert.Contains(t, result.Review.Next, "packed anew")
	for _, c := range result.Labs[0].Checks {
		assert.Equal(t, harness.Skipped, c.Outcome)
	}
	assert.Zero(t, lab.ups)
	written, err := report.Read(filepath.Join(out, "results.json"))
	require.NoError(t, err)
	assert.Equal(t, result, written)
	_, err = evidence.Verify(out, g.Key, labs())
	assert.NoError(t, err)
	assert.FileExists(t, filepath.Join(out, "junit.xml"))
}

// TestBrokenClusterIsOurs: the result is there, every check an error, and the
// cluster is taken away.
func TestBrokenClusterIsOurs(t *testing.T) {
	lab := &broken{err: errors.New("the disk is full")}
	g := grader(t, lab)
	out := t.TempDir()
	result, err := g.Grade(t.Context(), submission(t), out)
	require.NoError(t, err)
	assert.Equal(t, 2, result.ExitStatus())
	for _, c := range result.Labs[0].Checks {
		assert.Equal(t, harness.Error, c.Outcome)
		assert.Contains(t, c.Error, "disk is full")
	}
	assert.Equal(t, 2, lab.down, "before, and after")
	assert.NotEmpty(t, result.Digest)
	assert.FileExists(t, filepath.Join(out, "results.json"))
}

func TestNoSubmissionIsOurs(t *testing.T) {
	result, err := grader(t, &broken{}).Grade(t.Context(), filepath.Join(t.TempDir(), "nobody"), t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, harness.Error, result.Outcome)
}

// TestInterruptedIsNoResult: nothing is written that could be taken for a
// grade, and the cluster goes.
func TestInterruptedIsNoResult(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	lab := &broken{wait: func(ctx context.Context) { interrupt(); <-ctx.Done() }, err: context.Canceled}
	g := grader(t, lab)
	out := t.TempDir()
	_, err := g.Grade(ctx, submission(t), out)
	assert.ErrorContains(t, err, "interrupted")
	assert.Equal(t, 2, lab.down)
	assert.NoFileExists(t, filepath.Join(out, "results.json"))
}

// TestKeptClusterThatCannotBeVerifiedIsReplaced: it is proved to be as new, or it
// is a new one.
func TestKeptClusterThatCannotBeVerifiedIsReplaced(t *testing.T) {
	lab := &broken{}
	g := grader(t, lab)
	g.Keep = true
	var said []string
	g.Say = func(line string) { said = append(said, line) }
	result, err := g.Grade(t.Context(), submission(t), t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, harness.Error, result.Outcome, "it cannot be connected to")
	assert.Equal(t, []int{2, 2}, []int{lab.ups, lab.down}, "nor is the new one kept after an error")
	assert.Empty(t, lab.handedOn)
	assert.Equal(t, []string{"replacing the cluster one: it has forgotten", "the cluster one is not used again: nothing was judged on it"}, said)
}
