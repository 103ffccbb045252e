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
	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/existing"
	"rolecall/harness/cluster/kind"
	"rolecall/harness/progress"
)

// Wish is what a person asks for.
type Wish struct {
	Cluster    string // auto, kind, embedded or existing
	Name       string // of a cluster of ours
	Kubeconfig string // with existing: the file that has the context
	Context    string // with existing
	Home       string // our folder; see Home

	Display *progress.Display // shows what takes long
	Say     func(string)      // tells decisions in one line each
}

// Choose returns the cluster and the name of its kind.
func (w Wish) Choose(ctx context.Context) (cluster.Cluster, string, error) {
	if w.Cluster == "existing" {
		return &existing.Cluster{Kubeconfig: w.Kubeconfig, Context: w.Context}, w.Cluster, nil
	}
	return w.Own(ctx)
}

// Own is Choose for what needs a cluster of ours.
func (w Wish) Own(ctx context.Context) (cluster.Owned, string, error) {
	switch w.Cluster {
	case "auto":
		kind, err := w.auto(ctx)
		if err != nil {
			return nil, "", err
		}
		return w.ours(kind), kind, nil
	case "kind", "embedded":
		return w.ours(w.Cluster), w.Cluster, nil
	case "existing":
		return nil, "", fmt.Errorf("choosing a cluster: CLUSTER=existing names one that somebody else runs; this command is for one of ours")
	}
	return nil, "", fmt.Errorf("choosing a cluster: %q is none; CLUSTER is auto, kind, embedded or existing", w.Cluster)
}

// There are the clusters of ours that the wish may mean and of which anything
// is there.
func (w Wish) There() (there []cluster.Owned) {
	for _, kind := range Kinds {
		c := w.ours(kind)
		if w.Cluster == kind || w.Cluster == "auto" && c.Exists() {
			there = append(there, c)
		}
	}
	return there
}

// Kinds are the kinds of cluster that we make.
var Kinds = []string{"embedded", "kind"}

func (w Wish) ours(name string) cluster.Owned {
	if name == "embedded" {
		return &embedded.Cluster{Name: w.Name, Home: w.Home, Display: w.Display, Say: w.Say}
	}
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
