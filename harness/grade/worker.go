package grade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

// Workers are processes of this program that grade one submission each, and
// what they have for it: a cluster and a folder for temporary files.
type Workers struct {
	Program   string           // the executable
	Arguments []string         // of its command that grades one submission, beyond those that a worker adds
	Provider  cluster.Provider // of the workers' clusters
	Keep      bool             // the clusters, from one submission to the next
	Home      string           // rolecall's folder
	Name      string           // beginning of the names of what workers have
}

// command is a process that grades a submission into out. It is the command
// grade with these flags, and those in Arguments.
func (w Workers) command(worker int, s Submission, out string) *exec.Cmd {
	args := []string{
		"grade", "--submission=" + s.Path, "--out=" + out, "--home=" + w.Home,
		"--cluster=" + w.Provider.Name(), "--name=" + w.name(worker),
	}
	if w.Keep {
		args = append(args, "--keep")
	}
	for _, note := range s.Notes {
		args = append(args, "--note="+note)
	}
	cmd := exec.Command(w.Program, append(args, w.Arguments...)...)
	// What a killed compiler leaves goes with the rest. It is a short process, for
	// which collecting garbage is not worth the time.
	cmd.Env = append(os.Environ(), "TMPDIR="+w.temporary(worker), "GOGC=400")
	return cmd
}

// name names what a worker has.
func (w Workers) name(worker int) string { return fmt.Sprintf("%s-%d", w.Name, worker+1) }

// temporary is a worker's folder for temporary files. That there is one says
// that the worker may have a cluster too.
func (w Workers) temporary(worker int) string {
	return filepath.Join(w.Home, "grading", w.Provider.Name()+"-"+w.name(worker))
}

// left are the workers that have a folder, in order.
func (w Workers) left() ([]int, error) {
	folders, err := os.ReadDir(filepath.Join(w.Home, "grading"))
	if err != nil {
		return nil, fmt.Errorf("looking for what an earlier run left: %w", err)
	}
	var workers []int
	for _, folder := range folders {
		number, ours := strings.CutPrefix(folder.Name(), w.Provider.Name()+"-"+w.Name+"-")
		if n, err := strconv.Atoi(number); ours && err == nil && n > 0 {
			workers = append(workers, n-1)
		}
	}
	slices.Sort(workers)
	return workers, nil
}

// machine is the process of a worker's cluster, 0 where that is none of this
// machine's.
func (w Workers) machine(worker int) int {
	if local, ok := w.Provider.Cluster(ClusterName(w.name(worker))).(cluster.Local); ok {
		return local.PID()
	}
	return 0
}

// prepare makes the workers' folders, and deletes what an earlier run with more
// of them left when it was killed.
func (w Workers) prepare(ctx context.Context, count int) error {
	for worker := range count {
		if err := os.MkdirAll(w.temporary(worker), 0o700); err != nil {
			return next.Errorf("free some disk space", "making a worker's folder: %w", err)
		}
	}
	left, err := w.left()
	if err != nil {
		return err
	}
	for _, worker := range left {
		if worker < count {
			continue // which this run uses, and clears at its end
		}
		if err := w.clear(ctx, worker); err != nil {
			return err
		}
	}
	return nil
}

// clear deletes what a worker's processes left, also those that were killed.
func (w Workers) clear(ctx context.Context, worker int) error {
	c, ours := w.Provider.Cluster(ClusterName(w.name(worker))).(cluster.Owned)
	if !ours {
		return fmt.Errorf("grading: %s clusters are not rolecall's own", w.Provider.Name())
	}
	release, err := cluster.Lock(ctx, w.Home, c, func(string) {})
	if err != nil {
		return err
	}
	defer release()
	return errors.Join(c.Down(ctx), os.RemoveAll(w.temporary(worker)))
}
