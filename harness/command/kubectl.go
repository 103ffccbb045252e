package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
)

// kubectl runs kubectl, which needs no install, on the cluster. Its exit
// status is kubectl's.
func (f *front) kubectl() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kubectl [flags] -- ARGS",
		Short: "run kubectl on the cluster; it need not be installed",
		RunE: func(cmd *cobra.Command, words []string) error {
			return f.withKubectl(cmd.Context(), func(folder string) *exec.Cmd {
				return exec.Command(filepath.Join(folder, "kubectl"), words...)
			})
		},
	}
	cmd.Flags().SetInterspersed(false) // flags behind the first word are kubectl's
	f.clusterFlags(cmd)
	return cmd
}

// shell starts the user's shell with kubectl in PATH.
func (f *front) shell() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "start a shell that has kubectl for the cluster",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program := os.Getenv("SHELL")
			if program == "" {
				program = "/bin/sh"
			}
			return f.withKubectl(cmd.Context(), func(string) *exec.Cmd {
				fmt.Fprintln(f.stderr, "This shell has kubectl, for this cluster alone. Run exit to leave it.")
				return exec.Command(program)
			})
		},
	}
	f.clusterFlags(cmd)
	return cmd
}

// withKubectl runs a program that has kubectl in PATH and the cluster in
// KUBECONFIG. No other command waits for it.
func (f *front) withKubectl(ctx context.Context, program func(folder string) *exec.Cmd) error {
	dir, err := os.MkdirTemp("", "rolecall-kubectl-")
	if err != nil {
		return next.Errorf("free some disk space", "making a folder for a kubeconfig: %w", err)
	}
	defer os.RemoveAll(dir)
	kubeconfig, err := f.reach(ctx, dir)
	if err != nil {
		return err
	}
	folder, err := f.host.kubectl(ctx, f.home, f.display)
	if err != nil {
		return err
	}
	cmd := program(folder)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f.stdin, f.stdout, f.stderr
	cmd.Env = append(withoutMake(os.Environ()), "KUBECONFIG="+kubeconfig, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	err = cmd.Run() // a terminal's Ctrl-C reaches it without us
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return exit(128 + int(status.Signal())) // as a shell has it
		}
		return exit(ended.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("running %s: %w", cmd.Path, err)
	}
	return nil
}

// withoutMake is an environment without what make put there for its recipes: a
// shell is nobody's recipe, and make may be run in it.
func withoutMake(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", caller}, name)
	})
}

// reach returns the path of a kubeconfig that knows the cluster and no other.
// A cluster of ours that is not running is brought up.
func (f *front) reach(ctx context.Context, dir string) (kubeconfig string, err error) {
	c, err := cluster.Choose(ctx, f.clusters(), f.want, f.display.Say)
	if err != nil {
		return "", err
	}
	owned, ours := c.(cluster.Owned)
	if !ours {
		file := filepath.Join(dir, "kubeconfig")
		return file, c.WriteKubeconfig(ctx, file)
	}
	if owned.Running(ctx) {
		return owned.Kubeconfig(), nil
	}
	return owned.Kubeconfig(), f.alone(ctx, owned, owned.Up)
}
