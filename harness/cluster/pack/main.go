// Program pack makes what a release's executables carry, for each architecture
// that it is given: make dist runs it before it builds them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/embedded"
	"rolecall/harness/progress"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pack(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(ctx context.Context, arches []string) error {
	home, err := cluster.Home(os.Getenv("ROLECALL_HOME"))
	if err != nil {
		return err
	}
	display := progress.New(os.Stderr, false)
	for _, arch := range arches {
		if err := embedded.Pack(ctx, home, arch, "harness/cluster/internal/onefile", display); err != nil {
			return err
		}
	}
	return nil
}
