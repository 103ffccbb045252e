package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/existing"
)

// kubectl runs kubectl, which needs no install, on the cluster. Its exit
// status is kubectl's.
func (o *options) kubectl(ctx context.Context, words []string) (int, error) {
	return o.withKubectl(ctx, func(folder string) *exec.Cmd {
		return exec.Command(filepath.Join(folder, "kubectl"), words...)
	})
}

// shell starts the user's shell with kubectl in PATH.
func (o *options) shell(ctx context.Context) (int, error) {
	program := os.Getenv("SHELL")
	if program == "" {
		program = "/bin/sh"
	}
	return o.withKubectl(ctx, func(string) *exec.Cmd {
		fmt.Fprintln(os.Stderr, "this shell has kubectl, for the lab's cluster alone; exit leaves it")
		return exec.Command(program)
	})
}

// withKubectl runs a program that has kubectl in PATH and the cluster in
// KUBECONFIG. It keeps no other command waiting meanwhile.
func (o *options) withKubectl(ctx context.Context, program func(folder string) *exec.Cmd) (int, error) {
	dir, err := os.MkdirTemp("", "rolecall-kubectl-")
	if err != nil {
		return 2, fmt.Errorf("making a place for a kubeconfig: %w; free some disk space", err)
	}
	defer os.RemoveAll(dir)
	config, err := o.kubeconfig(ctx, dir)
	if err != nil {
		return 2, err
	}
	folder, err := embedded.Kubectl(ctx, o.Home, o.Display)
	if err != nil {
		return 2, err
	}
	cmd := program(folder)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+config, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	err = cmd.Run() // a terminal's Ctrl-C reaches it without us
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 2, fmt.Errorf("running %s: %w", cmd.Path, err)
	}
	return 0, nil
}

// kubeconfig is the path of one that knows the lab's cluster and no other,
// which is brought up if it must be.
func (o *options) kubeconfig(ctx context.Context, dir string) (string, error) {
	if o.Cluster == "existing" {
		file := filepath.Join(dir, "kubeconfig")
		named := existing.Cluster{Kubeconfig: o.Kubeconfig, Context: o.Context}
		return file, named.WriteKubeconfig(file)
	}
	release, err := o.Alone(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	lab, _, err := o.Own(ctx)
	if err != nil {
		return "", err
	}
	return lab.Kubeconfig(), lab.Up(ctx)
}
