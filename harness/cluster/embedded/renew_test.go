//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/internal/owned"
	"rolecall/harness/inventory"
)

// running is a cluster whose machine is this test's process.
func running(t *testing.T) *Cluster {
	c := &Cluster{owned.New(cluster.Options{Home: t.TempDir()}, "embedded", "kept")}
	for name, text := range map[string]string{auditLog: "", lockFile: fmt.Sprintln(os.Getpid()), cgroups: c.Folder() + "/groups/kept-*"} {
		require.NoError(t, os.MkdirAll(c.Folder(), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(c.Folder(), name), []byte(text), 0o600))
	}
	lock := flock.New(c.lock())
	require.NoError(t, lock.Lock())
	t.Cleanup(func() { lock.Close() })
	require.NoError(t, c.recordProcesses())
	return c
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// TestWhatAPodLeaves makes what a pod could leave, and takes it away again.
func TestWhatAPodLeaves(t *testing.T) {
	c := running(t)
	left := func() error { return errors.Join(c.processesLeft(), c.cgroupsLeft(), c.mountsLeft(), c.filesLeft()) }
	require.NoError(t, left())
	t.Run("a process", func(t *testing.T) {
		process := exec.Command("sleep", "60")
		require.NoError(t, process.Start())
		assert.EqualError(t, left(), "a process of a pod is left")
		require.NoError(t, process.Process.Kill())
		_ = process.Wait()
		assert.NoError(t, left())
	})
	for what, file := range map[string]string{"a control group of a pod is left": "groups/kept-1/procs", "a file of a pod is left": "pods/default_web_1/0.log"} {
		t.Run(what, func(t *testing.T) {
			write(t, filepath.Join(c.Folder(), file), "x")
			assert.EqualError(t, left(), what)
			require.NoError(t, os.RemoveAll(filepath.Dir(filepath.Join(c.Folder(), file))))
			assert.NoError(t, left())
		})
	}
	t.Run("another machine", func(t *testing.T) {
		write(t, filepath.Join(c.Folder(), processes), "[]")
		assert.Error(t, left())
	})
}

// TestOrdinary: after anything odd, and when its records have grown, a machine
// is not used again.
func TestOrdinary(t *testing.T) {
	c := running(t)
	require.NoError(t, c.ordinary())
	require.NoError(t, os.Truncate(filepath.Join(c.Folder(), auditLog), mostAudit+1))
	assert.ErrorContains(t, c.ordinary(), "16 MiB")
	write(t, filepath.Join(c.Folder(), odd), "a pod used more memory than it may\na pod's sandbox ended by itself\n")
	assert.EqualError(t, c.ordinary(), "a pod used more memory than it may")
	assert.ErrorContains(t, c.Renew(t.Context(), mostRuns), "it has served 25 submissions")
}

func TestAsNew(t *testing.T) {
	object := func(resource, namespace, name, uid string) inventory.Object {
		return inventory.Object{Resource: schema.ParseGroupResource(resource).WithVersion("v1"), Namespace: namespace, Name: name, UID: uid}
	}
	namespace := object("namespaces", "", "viewer", "1")
	binding := object("rolebindings.rbac.authorization.k8s.io", "viewer", "views", "2")
	account := object("serviceaccounts", "viewer", "default", "3")
	versions := map[inventory.Object]string{namespace: "10", binding: "11", account: "12", object("nodes", "", "rolecall", "4"): "13"}
	now := func() inventory.Inventory {
		return inventory.Inventory{
			namespace: {Version: "10"}, binding: {Version: "11"}, object("nodes", "", "rolecall", "4"): {Version: "99"},
			object("serviceaccounts", "viewer", "default", "new"): {Version: "50"},
		}
	}
	require.NoError(t, asNew(versions, now(), []string{"viewer"}))
	for says, change := range map[string]func(inventory.Inventory){
		"it holds pods left in viewer": func(n inventory.Inventory) { n[object("pods", "viewer", "left", "9")] = inventory.State{} },
		"views in viewer is gone":      func(n inventory.Inventory) { delete(n, binding) },
		"views in viewer is not as it": func(n inventory.Inventory) { n[binding] = inventory.State{Version: "60"} },
		"viewer is not as it was":      func(n inventory.Inventory) { n[namespace] = inventory.State{Version: "61"} },
		"namespaces viewer, which a":   func(n inventory.Inventory) { n[namespace] = inventory.State{Version: "10", Deleting: true} },
		"nodes rolecall is not as it": func(n inventory.Inventory) {
			delete(n, object("nodes", "", "rolecall", "4"))
			n[object("nodes", "", "rolecall", "5")] = inventory.State{}
		},
		"in viewer is gone, which a new": func(n inventory.Inventory) { delete(n, object("serviceaccounts", "viewer", "default", "new")) },
	} {
		changed := now()
		change(changed)
		assert.ErrorContains(t, asNew(versions, changed, []string{"viewer"}), says)
	}
	assert.Error(t, asNew(versions, now(), nil), "an account that nobody renewed")
}
