// Program pack makes what a release's executables carry, for each architecture
// that it is given: make dist runs it before it builds them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/embedded"
	"rolecall/harness/progress"
)

func main() {
	level := flag.Int("level", 19, "how hard zstd `tries`, from 1 to 19")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pack(ctx, *level, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(ctx context.Context, level int, arches []string) error {
	home, err := cluster.Home(os.Getenv("ROLECALL_HOME"))
	if err != nil {
		return err
	}
	display := progress.New(os.Stderr, false)
	for _, arch := range arches {
		if err := embedded.Pack(ctx, home, arch, "harness/cluster/internal/onefile", level, display); err != nil {
			return err
		}
	}
	return nil
}
