package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"rolecall.build/machine/controlplane"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/runtimes"
)

// shutdownTimeout is how long pods, and a start that is under way, have to end.
// The kernel kills what is left of them with this process.
const shutdownTimeout = 1500 * time.Millisecond

// cgroupsFile, in the machine's folder, has patterns of the names of its pods' cgroups, one per line: whoever kills the machine must remove them.
const cgroupsFile = "cgroups"

// prefix begins the names of one machine's cgroups. Two machines must not share it: one, as it starts, removes what is empty, and a pod's is empty
// until its first process is in it.
func prefix(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "rolecall-" + hex.EncodeToString(sum[:4])
}

var errAsked = errors.New("asked to end")

// serve runs a machine until it is told to end, which is no error.
func serve(args []string) error {
	parent := newParent()
	options, err := parseServeOptions(args)
	if err != nil {
		return err
	}
	if err := lockDir(options.Dir); err != nil {
		return err
	}
	starting()
	go boundLog(os.Stderr)
	ctx, end := context.WithCancelCause(context.Background())
	go watchSignals(end)
	isReady := make(chan struct{})
	go func() {
		select {
		case <-parent.gone():
			end(errors.New("the program that waits for this machine has ended"))
		case <-isReady:
		}
	}()

	result := make(chan error, 1)
	go func() {
		result <- run(ctx, options, func(know string) {
			close(isReady)
			parent.sayReady(know)
			settle()
		})
	}()
	select {
	case err := <-result:
		end(err)
	case <-ctx.Done():
		select {
		case <-result:
		case <-time.After(shutdownTimeout):
		}
	}
	if err := controlplane.Clean(options.Dir); err != nil {
		klog.ErrorS(err, "Cleaning up")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errAsked) {
		return cause
	}
	return nil
}

// run starts everything, calls ready with what its user should know, and returns when ctx is done and the pods
// have ended, or when a part of the machine has ended by itself.
func run(ctx context.Context, options serveOptions, ready func(know string)) error {
	cgroups := strings.Join(runtimes.Cgroups(prefix(options.Dir)), "\n")
	if err := os.WriteFile(filepath.Join(options.Dir, cgroupsFile), []byte(cgroups), 0o600); err != nil {
		return err
	}
	pods, err := runtimes.Open(ctx, sandbox.Config{
		Agent: options.sandbox, Dir: filepath.Join(options.Dir, "containers"), Prefix: prefix(options.Dir),
	})
	if err != nil {
		return err
	}
	know := notes(pods.Support())
	if know != "" {
		klog.InfoS("This machine gives pods less than others", "what", know)
	}
	options.Services = pods.Services()
	plane, err := controlplane.Start(ctx, options.Config)
	if err != nil {
		return err
	}
	node := make(chan error, 1)
	go func() { node <- runNode(ctx, options, pods, plane) }()
	isReady := make(chan error, 1)
	go func() { isReady <- plane.WaitReady(ctx) }()
	select {
	case err := <-isReady:
		if err != nil {
			return err
		}
	case err := <-node:
		return fmt.Errorf("running the node: %w", err)
	}
	ready(know)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	for {
		select {
		case <-asked:
			if err := forget(ctx, options.Dir, plane); err != nil {
				klog.ErrorS(err, "Forgetting what objects were")
			}
		case err := <-plane.Failed():
			return err
		case err := <-node:
			return err
		}
	}
}

// forgotFile, in the machine's folder, is there once the machine, asked by
// SIGUSR1, has forgotten what its objects were. Whoever asks deletes it before.
const forgotFile = "forgot"

func forget(ctx context.Context, dir string, plane *controlplane.ControlPlane) error {
	if err := plane.Forget(ctx); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, forgotFile), nil, 0o600)
}

// notes is what the user should know of what this machine does not give pods.
func notes(support sandbox.Support) string {
	if support.Weaker != "" {
		return fmt.Sprintf("%s; CPU limits are not enforced; namespaces are unavailable here (%s)", support.Weaker, support.Why)
	}
	var missing []string
	if support.CPU == sandbox.LimitNone {
		missing = append(missing, "CPU limits are not enforced")
	}
	if support.Memory == sandbox.LimitWatch {
		missing = append(missing, "memory limits are enforced by measuring, 20 times a second")
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; control groups are unavailable here (%s)", strings.Join(missing, ", and "), support.Missing)
}

// watchSignals calls end at the first signal to end.
func watchSignals(end context.CancelCauseFunc) {
	signals := make(chan os.Signal, 4)
	// A closed terminal or log does not end a machine. These two are caught, not
	// ignored: what is ignored would be ignored in every pod too.
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	for s := range signals {
		if s == syscall.SIGTERM || s == syscall.SIGINT {
			end(errAsked)
			return
		}
	}
}
