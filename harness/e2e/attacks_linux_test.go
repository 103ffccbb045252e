package e2e_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"rolecall/harness"
	"rolecall/harness/e2e/corpus"
	"rolecall/harness/report"
)

var attackCount = flag.Int("attacks", 8, "how many of the about 100 attacks TestEmbeddedAttacks makes")

// What a class of attackers may take from the machine, for each that is graded
// at a time: the cluster, the commands, and all pods of a submission.
const (
	attackMemory    = 3 << 30
	attackDisk      = 1 << 30
	attackProcesses = 1500
)

// TestEmbeddedAttacks grades a class of attackers with honest learners among them. The
// honest keep their grades, no attack raises its own or makes an error of a
// failure, and the machine never loses more than the bounds.
func TestEmbeddedAttacks(t *testing.T) {
	bed := only(t, "embedded")
	bed = bed.named(bed.Name() + "-attacks")
	dir, out := t.TempDir(), t.TempDir()
	all, err := corpus.Attacks(dir, fix.course)
	require.NoError(t, err)
	whole, taken := 0, fix.course.Default()
	labs, err := fix.course.Select(taken.Name)
	require.NoError(t, err)
	for _, lab := range labs {
		whole += lab.Points()
	}
	attacks := map[string]corpus.Attack{}
	for i, a := range all {
		if *attackCount < len(all) && i*(*attackCount)/len(all) == (i+1)*(*attackCount)/len(all) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, a.Name)))
			continue
		}
		attacks[a.Name] = a
		if len(attacks)%4 == 0 { // by name it comes next
			require.NoError(t, fix.course.Solutions(filepath.Join(dir, a.Name+"-honest")))
		}
	}

	const workers = 2
	lost := watchMachine(t)
	command := bed.rolecall(t, "grade-all", "--submissions", dir, "--out", out, "--workers", strconv.Itoa(workers))
	said, _ := command.CombinedOutput()
	most := lost()
	t.Logf("%s\nlost at most: %d MiB of memory, %d MiB of disk, %d processes", said, most.memory>>20, most.disk>>20, most.processes)
	assert.Less(t, most.memory, int64(workers*attackMemory))
	assert.Less(t, most.disk, int64(workers*attackDisk))
	assert.Less(t, most.processes, int64(workers*attackProcesses))

	folders, err := filepath.Glob(filepath.Join(out, "submissions", "*"))
	require.NoError(t, err)
	require.Len(t, folders, len(attacks)+len(attacks)/4)
	for _, graded := range folders {
		t.Run(filepath.Base(graded), func(t *testing.T) {
			result, err := report.Read(filepath.Join(graded, "results.json"))
			require.NoError(t, err)
			a, attacks := attacks[result.Submission]
			if !attacks {
				assert.Equal(t, whole, result.Points, "the honest have all")
			}
			for _, lab := range result.Labs {
				for _, c := range lab.Checks {
					if a.Other && c.Outcome == harness.Error {
						assert.Contains(t, c.Error, "CLUSTER=kind", c.ID)
						continue
					}
					assert.NotEqual(t, harness.Error, c.Outcome, "%s: %s", c.ID, c.Error)
				}
				switch lab, err := fix.course.Lab(lab.Number); {
				case err != nil: // the story rests on all
				case lab.Folder() != a.Lab:
					assert.Equal(t, lab.Points(), points(result, lab.Number), "%s does not attack", lab.Folder())
				case a.Wrong:
					assert.Less(t, points(result, lab.Number), lab.Points(), "%s is wrong", lab.Folder())
				}
			}
			said, err := verify(t, graded).CombinedOutput()
			assert.NoError(t, err, "%s", said)
		})
	}
	assert.Empty(t, bed.left(t), "left behind")
}

// points are what a lab earned.
func points(result *harness.Result, number int) int {
	for _, lab := range result.Labs {
		if lab.Number == number {
			return lab.Points
		}
	}
	return 0
}

// machine is what there is of it, in bytes and processes.
type machine struct{ memory, disk, processes int64 }

// watchMachine looks at the machine ten times a second, and says at the end how
// much of it was gone at most.
func watchMachine(t *testing.T) func() machine {
	t.Helper()
	fs, err := procfs.NewDefaultFS()
	require.NoError(t, err)
	look := func() (m machine) {
		var disk unix.Statfs_t
		info, err := fs.Meminfo()
		if err == nil && info.MemAvailableBytes != nil && unix.Statfs(fix.options.Home, &disk) == nil {
			m.memory, m.disk = int64(*info.MemAvailableBytes), int64(disk.Bavail)*disk.Bsize
		}
		all, _ := fs.AllProcs()
		m.processes = int64(len(all))
		return m
	}
	before, most := look(), machine{}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			now := look()
			most.memory = max(most.memory, before.memory-now.memory)
			most.disk = max(most.disk, before.disk-now.disk)
			most.processes = max(most.processes, now.processes-before.processes)
			select {
			case <-end:
				return
			case <-every.C:
			}
		}
	}()
	return func() machine { close(end); <-ended; return most }
}
