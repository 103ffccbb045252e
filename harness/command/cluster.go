package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/doctor"
	"rolecall/harness/gocommand"
	"rolecall/harness/grade"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
)

// up creates the cluster.
func (f *front) up() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "create the cluster; labs do this for you",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.ChooseOwned(cmd.Context(), f.clusters(), f.want, f.display.Say)
			if err != nil {
				return err
			}
			return f.alone(cmd.Context(), c, func(ctx context.Context) error {
				if err := c.Up(ctx); err != nil {
					return err
				}
				line, err := c.Status(ctx)
				fmt.Fprintln(f.stdout, line)
				return err
			})
		},
	}
	f.ownedFlags(cmd)
	return cmd
}

// alone does something while no other command uses a cluster.
func (f *front) alone(ctx context.Context, c cluster.Owned, do func(context.Context) error) error {
	release, err := cluster.Lock(ctx, f.home, c, f.display.Say)
	if err != nil {
		return err
	}
	defer release()
	return do(ctx)
}

// existing are the clusters of ours that the flags may mean and of which
// something is there.
func (f *front) existing() (there []cluster.Owned, err error) {
	all, err := cluster.Existing(f.clusters(), f.want)
	for _, c := range all {
		if c.Exists() {
			there = append(there, c)
		}
	}
	return there, err
}

// none says that there is no cluster of that name.
func (f *front) none() string {
	if f.want.Provider == cluster.Auto {
		return "there is no cluster " + f.want.Name
	}
	return "there is no " + f.want.Provider + " cluster " + f.want.Name
}

// down deletes the cluster.
func (f *front) down() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "delete the cluster",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := cluster.Existing(f.clusters(), f.want)
			if err != nil {
				return err
			}
			deleted := 0
			var errs []error
			for _, c := range all {
				existed := c.Exists()
				err := f.alone(cmd.Context(), c, c.Down)
				errs = append(errs, err)
				if existed && err == nil {
					deleted++
					fmt.Fprintf(f.stdout, "deleted the %s cluster %s\n", c.Provider(), c.Name())
				}
			}
			err = errors.Join(errs...)
			if deleted == 0 && err == nil {
				fmt.Fprintln(f.stdout, f.none())
			}
			return err
		},
	}
	f.ownedFlags(cmd)
	return cmd
}

// clusterStatus is what a script reads of a cluster.
type clusterStatus struct {
	Provider   string `json:"provider"`
	Name       string `json:"name"`
	Running    bool   `json:"running"`
	State      string `json:"state"` // a sentence
	Kubeconfig string `json:"kubeconfig"`
}

// status shows the clusters, and how far the learner is with the labs.
func (f *front) status() *cobra.Command {
	asJSON, submission := false, ""
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show your clusters, and how far you are with the labs",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			there, err := f.existing()
			if err != nil {
				return err
			}
			list := []clusterStatus{}
			for _, c := range there {
				line, err := c.Status(cmd.Context())
				if err != nil { // such as of an engine that is stopped; the others are shown all the same
					line = fmt.Sprintf("%s cluster %s: unknown, %s", c.Provider(), c.Name(), strings.ReplaceAll(explained(cmd, err), "\n", "; "))
				}
				list = append(list, clusterStatus{c.Provider(), c.Name(), c.Running(cmd.Context()), line, c.Kubeconfig()})
			}
			labs := f.progress(submission)
			if asJSON {
				return f.printJSON(struct {
					Clusters []clusterStatus `json:"clusters"`
					Labs     []labStatus     `json:"labs"`
				}{list, labs})
			}
			for _, c := range list {
				fmt.Fprintln(f.stdout, c.State)
			}
			if len(list) == 0 {
				f.print("%s; %s creates one\n", f.none(), withVariables(cmd, "make up"))
			}
			return f.showProgress(labs)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	submissionFlag(cmd, &submission)
	f.ownedFlags(cmd)
	return cmd
}

// reset brings the cluster back to what it was when new.
func (f *front) reset() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "delete everything you added to the cluster",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			there, err := f.existing()
			if err != nil {
				return err
			}
			if len(there) == 0 {
				fmt.Fprintf(f.stdout, "%s, so there is nothing to reset\n", f.none())
				return nil
			}
			for _, c := range there {
				err = errors.Join(err, f.alone(cmd.Context(), c, func(ctx context.Context) error { return f.renew(ctx, c) }))
			}
			return err
		},
	}
	f.ownedFlags(cmd)
	return cmd
}

// renew resets one cluster.
func (f *front) renew(ctx context.Context, c cluster.Owned) error {
	if err := c.Up(ctx); err != nil {
		return err
	}
	deleted := 0
	err := c.Reset(ctx, func(o inventory.Object) {
		deleted++
		fmt.Fprintln(f.stdout, "deleting", o)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(f.stdout, "objects deleted: %d; the %s cluster %s is as it was when new\n", deleted, c.Provider(), c.Name())
	return nil
}

// logs collects what helps to find out why something broke.
func (f *front) logs() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "collect the cluster's logs in a directory",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return next.Errorf("name one, for example make logs OUT=out", "collecting logs: no directory is named")
			}
			there, err := f.existing()
			if err != nil {
				return err
			}
			if len(there) == 0 {
				return next.Errorf("make up", "collecting logs: %s", f.none())
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return next.Errorf("name a directory that can be made", "collecting logs: %w", err)
			}
			for _, c := range there {
				err = errors.Join(err, c.Logs(cmd.Context(), out))
			}
			if err == nil {
				fmt.Fprintln(f.stdout, "logs:", out)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the `directory` for them")
	f.ownedFlags(cmd)
	return cmd
}

// clean deletes what was built or downloaded for clusters, what learners'
// programs and grading left, and what a bundle brought. Clusters, keys and learners' work stay.
func (f *front) clean() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "delete what was built for clusters",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cluster.Clean(cmd.Context(), f.home, f.clusters(), "programs", "grading", gocommand.Folder); err != nil {
				return err
			}
			fmt.Fprintln(f.stdout, "deleted what was built in", f.home)
			return nil
		},
	}
	f.homeFlag(cmd)
	return cmd
}

// version tells which rolecall this is, as results.json of graded submissions
// does.
func (f *front) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "say which rolecall this is",
		Args:  noWords,
		RunE: func(*cobra.Command, []string) error {
			version, err := grade.Version()
			if err == nil {
				fmt.Fprintln(f.stdout, version)
			}
			return err
		},
	}
}

// doctor says what this machine can run. Its exit status is 1 where something
// must be done first.
func (f *front) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "say what this machine can run and what is missing",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			try := "make " + f.course.Labs[0].Folder()
			err := doctor.Run(cmd.Context(), f.stdout, f.home, f.want.Provider, try, func(text string) string { return withVariables(cmd, text) })
			if errors.Is(err, doctor.ErrNotReady) {
				return exit(1)
			}
			return err
		},
	}
	f.clusterFlags(cmd)
	return cmd
}
