package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness/bundle"
	"rolecall/harness/cluster/kind"
	"rolecall/harness/grade"
	"rolecall/harness/next"
	"rolecall/harness/progress"
)

// engineOf is the container engine of this machine, for a bundle.
func engineOf(ctx context.Context, home string, display *progress.Display) (bundle.Engine, error) {
	images, err := kind.OpenImages(ctx, home, display)
	if err != nil {
		return nil, err
	}
	return images, nil
}

// bundle makes a folder for machines without a network; commands below it check
// it, serve it and install from it.
func (f *front) bundle() *cobra.Command {
	out, with := "", ""
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "write a folder for a room without a network",
		Args:  noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			order, err := f.order(cmd.Context(), out, with)
			if err != nil {
				return err
			}
			index, err := bundle.Make(cmd.Context(), order)
			if err != nil {
				return err
			}
			for _, file := range index.Files {
				fmt.Fprintf(f.stdout, "%s: %s\n", file.Name, file.For)
			}
			fmt.Fprintf(f.stdout, "The bundle in %s is complete: %s. %s bundle serve %s serves it; copied elsewhere, %[3]s bundle verify checks it.\n",
				out, index, cmd.Root().Name(), out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the `directory` for it")
	cmd.Flags().StringVar(&with, "with", "", "what `else` it holds: go, for learners' Go programs, and kind, for kind's node image, with a comma between them")
	complete(cmd, "with", []string{"go", "kind", "go,kind"})
	f.homeFlag(cmd)
	cmd.AddCommand(f.bundleVerify(), f.bundleServe(), f.bundleInstall())
	return cmd
}

// order is the bundle that the flags mean.
func (f *front) order(ctx context.Context, out, with string) (bundle.Order, error) {
	order := bundle.Order{Dir: out, Module: f.course.Program, Display: f.display}
	if out == "" {
		return order, next.Errorf("name one, for example make bundle OUT=bundle", "making a bundle: no directory is named")
	}
	if runtime.GOOS == "linux" && !f.carries() {
		return order, next.Errorf("make dist, then run the rolecall in dist/", "making a bundle: this rolecall was built from source and does not carry the embedded cluster")
	}
	node := false
	for word := range strings.SplitSeq(with, ",") {
		switch strings.TrimSpace(word) {
		case "":
		case "go":
			order.Go = true
		case "kind":
			node = true
		default:
			return order, fmt.Errorf("making a bundle: unknown WITH=%s: choose go, kind or go,kind", word)
		}
	}
	var err error
	if order.Program, err = os.Executable(); err != nil {
		return order, fmt.Errorf("making a bundle: %w", err)
	}
	if order.Rolecall, err = grade.Version(); err != nil {
		return order, err
	}
	if !node {
		return order, nil
	}
	if order.Engine, err = f.engine(ctx, f.home, f.display); err != nil {
		return order, next.Errorf("make doctor CLUSTER=kind", "making a bundle with kind's node image: %w", err)
	}
	return order, nil
}

// bundleVerify reads all of a bundle. Its exit status is 1 where something is
// damaged.
func (f *front) bundleVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "check that a bundle is complete and undamaged",
		Args:  oneWord("a directory, for example %s bundle"),
		RunE: func(cmd *cobra.Command, words []string) error {
			folder, err := bundle.Open(words[0])
			if err != nil {
				return err
			}
			defer folder.Close()
			problems, err := folder.Verify(cmd.Context(), f.display)
			if err != nil {
				return err
			}
			return f.tell(folder, problems)
		},
	}
}

// tell says what is wrong with a bundle, or that nothing is.
func (f *front) tell(folder *bundle.Folder, problems []string) error {
	for _, problem := range problems {
		fmt.Fprintln(f.stdout, problem)
	}
	if len(problems) > 0 {
		fmt.Fprintln(f.stdout, "The bundle is damaged; copy these files again.")
		return exit(1)
	}
	fmt.Fprintf(f.stdout, "the bundle is complete: %s\n", folder.Index)
	return nil
}

// bundleServe serves a bundle until it is interrupted.
func (f *front) bundleServe() *cobra.Command {
	listen := ""
	cmd := &cobra.Command{
		Use:   "serve DIR",
		Short: "serve a bundle to the machines of a room",
		Args:  oneWord("a directory, for example %s bundle"),
		RunE: func(cmd *cobra.Command, words []string) error {
			folder, err := bundle.Open(words[0])
			if err != nil {
				return err
			}
			defer folder.Close()
			if problems := folder.Sizes(); len(problems) > 0 {
				return f.tell(folder, problems)
			}
			listener, err := bundle.Listen(cmd.Context(), listen)
			if err != nil {
				return err
			}
			urls, err := bundle.URLs(listener)
			if err != nil {
				return errors.Join(err, listener.Close())
			}
			fmt.Fprintln(f.stdout, "On each machine, in a shell:")
			for _, url := range urls {
				fmt.Fprintf(f.stdout, "  curl -fsS %s%s | sh\n", url, bundle.Script)
			}
			fmt.Fprintln(f.stdout, "Ctrl-C ends this.")
			server := bundle.Server{
				Folder: folder,
				Start:  "./rolecall lab " + strconv.Itoa(f.course.Labs[0].Number),
				Say:    func(line string) { f.display.Print(f.stdout, line) },
			}
			if err := server.Serve(cmd.Context(), listener); err != nil {
				return err
			}
			fmt.Fprintln(f.stdout, "The bundle is no longer served.")
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", ":8080", "the `address`: a port, or a host and a port")
	return cmd
}

// bundleInstall installs what a bundle holds.
func (f *front) bundleInstall() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install DIR-or-URL",
		Short: "install what a bundle holds beside rolecall itself",
		Args:  oneWord("a directory or an address, for example %s http://192.168.1.5:8080"),
		RunE: func(cmd *cobra.Command, words []string) error {
			engine := func(ctx context.Context) (bundle.Engine, error) { return f.engine(ctx, f.home, f.display) }
			say := func(line string) { f.display.Print(f.stdout, line) }
			return bundle.Install(cmd.Context(), bundle.Target{Home: f.home, Engine: engine, Display: f.display, Say: say}, words[0])
		},
	}
	f.homeFlag(cmd)
	return cmd
}

// oneWord demands one word; what says which, with a place for the command.
func oneWord(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, words []string) error {
		if len(words) == 1 && words[0] != "" {
			return nil
		}
		return hint(cmd, fmt.Errorf("%s takes %s", cmd.CommandPath(), fmt.Sprintf(what, cmd.CommandPath())))
	}
}
