package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"rolecall/harness/check"
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
			return f.withKubectl(cmd.Context(), func(_ cluster.Cluster, _, folder string) (*exec.Cmd, error) {
				return exec.Command(filepath.Join(folder, "kubectl"), words...), nil
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
			return f.withKubectl(cmd.Context(), func(c cluster.Cluster, dir, _ string) (*exec.Cmd, error) {
				if err := f.kubectlOfShell(c, dir); err != nil {
					return nil, err
				}
				fmt.Fprintln(f.stderr, "In this shell, kubectl and rolecall use this cluster and no other. Run exit to leave it.")
				shell := exec.Command(program)
				if owned, ours := c.(cluster.Owned); ours {
					shell.Env = []string{clusterOfShell + "=" + c.Provider(), nameOfShell + "=" + owned.Name()}
				}
				return shell, nil
			})
		},
	}
	f.clusterFlags(cmd)
	return cmd
}

// kubectlOfShell puts a kubectl into a folder that is this program's, where the
// cluster may hold pods that wait for a watcher's next check.
func (f *front) kubectlOfShell(c cluster.Cluster, dir string) error {
	owned, ours := c.(cluster.Owned)
	if !ours || runtime.GOOS == "windows" {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	script := "#!/bin/sh\nexec " + shellescape.QuoteCommand([]string{program, "kubectl", "--cluster", c.Provider(), "--name", owned.Name()}) + ` -- "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
		return next.Errorf("free some disk space", "writing a script: %w", err)
	}
	return nil
}

// withKubectl runs a program that has kubectl in PATH, in dir or else in folder,
// and the cluster in KUBECONFIG. No other command waits for it.
func (f *front) withKubectl(ctx context.Context, program func(c cluster.Cluster, dir, folder string) (*exec.Cmd, error)) error {
	dir, err := os.MkdirTemp("", "rolecall-kubectl-")
	if err != nil {
		return next.Errorf("free some disk space", "making a folder for a kubeconfig: %w", err)
	}
	defer os.RemoveAll(dir)
	c, kubeconfig, err := f.reach(ctx, dir)
	if err != nil {
		return err
	}
	folder, err := f.host.kubectl(ctx, f.home, f.display)
	if err != nil {
		return err
	}
	cmd, err := program(c, dir, folder)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f.stdin, f.stdout, f.stderr
	cmd.Env = append(append(withoutMake(os.Environ()), cmd.Env...), "KUBECONFIG="+kubeconfig, "PATH="+dir+string(os.PathListSeparator)+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
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

// reach returns the cluster and the path of a kubeconfig that knows it and no
// other. A cluster of ours that is not running is brought up.
func (f *front) reach(ctx context.Context, dir string) (c cluster.Cluster, kubeconfig string, err error) {
	if c, err = cluster.Choose(ctx, f.clusters(), f.want, f.display.Say); err != nil {
		return nil, "", err
	}
	owned, ours := c.(cluster.Owned)
	if !ours {
		kubeconfig = filepath.Join(dir, "kubeconfig")
		return c, kubeconfig, c.WriteKubeconfig(ctx, kubeconfig)
	}
	if !owned.Running(ctx) {
		return c, owned.Kubeconfig(), f.alone(ctx, owned, owned.Up)
	}
	_ = dismissAhead(ctx, owned.Kubeconfig()) // where the cluster is away, kubectl says so
	return c, owned.Kubeconfig(), nil
}

// dismissAhead deletes pods that wait for a watcher's next check: the learner
// looks at the cluster now, and did not make them.
func dismissAhead(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	return check.DismissAhead(ctx, client)
}
