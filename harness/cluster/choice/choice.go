// Package choice finds the cluster that a person asks for, and makes sure that
// one command at a time uses it.
package choice

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/existing"
	"rolecall/harness/cluster/kind"
	"rolecall/harness/progress"
)

// Wish is what a person asks for.
type Wish struct {
	Cluster    string // auto, kind or existing
	Name       string // of a cluster of ours
	Kubeconfig string // with existing: the file that has the context
	Context    string // with existing
	Home       string // our folder; see Home

	Display *progress.Display // shows what takes long
	Say     func(string)      // tells decisions in one line each
}

// Choose returns the cluster and the name of its kind.
func (w Wish) Choose() (cluster.Cluster, string, error) {
	switch w.Cluster {
	case "auto", "kind":
		return w.Kind(), "kind", nil
	case "existing":
		return &existing.Cluster{Kubeconfig: w.Kubeconfig, Context: w.Context}, "existing", nil
	}
	return nil, "", fmt.Errorf("choosing a cluster: %q is none; CLUSTER is auto, kind or existing", w.Cluster)
}

// Kind is our kind cluster of that name.
func (w Wish) Kind() *kind.Cluster {
	return &kind.Cluster{Name: w.Name, Home: w.Home, Display: w.Display, Say: w.Say}
}

// Alone waits until no other command uses the cluster, and keeps others out
// until release.
func (w Wish) Alone(ctx context.Context) (release func(), err error) {
	lock := flock.New(filepath.Join(w.Home, w.Name+".lock"))
	got, err := lock.TryLock()
	if err == nil && !got {
		if w.Say != nil {
			w.Say("another command is using the cluster " + w.Name + "; waiting for it to end")
		}
		got, err = lock.TryLockContext(ctx, 100*time.Millisecond)
	}
	if err != nil || !got {
		return nil, fmt.Errorf("waiting for the other command to end: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

// Home makes sure of rolecall's own folder: the one named, or else rolecall in
// the user's cache.
func Home(named string) (string, error) {
	if named == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding a place for clusters and images: %w; name one with ROLECALL_HOME=dir", err)
		}
		named = filepath.Join(cache, "rolecall")
	}
	home, err := filepath.Abs(named)
	if err == nil {
		err = os.MkdirAll(home, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("making a place for clusters and images: %w; name another one with ROLECALL_HOME=dir", err)
	}
	return home, nil
}
