// Package command is the command line: it turns words and flags into calls of
// the engine, and what comes back into text and an exit status.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"rolecall/harness"
	"rolecall/harness/bundle"
	"rolecall/harness/cluster"
	"rolecall/harness/cluster/embedded"
	"rolecall/harness/cluster/providers"
	"rolecall/harness/next"
	"rolecall/harness/progress"
	"rolecall/harness/wrap"
)

// Main runs the command line on a course and ends the process.
func Main(course harness.Course) {
	os.Exit(interruptible(func(ctx context.Context) int {
		return Run(ctx, course, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	}))
}

// interruptible runs what a signal to this process ends.
func interruptible(run func(context.Context) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	klog.SetLogger(logr.Discard()) // client-go's own words; what matters comes back as errors
	return run(ctx)
}

// Run runs one command and returns its exit status: 0 where everything passed,
// 1 where something does not hold yet, 2 where it could not check.
func Run(ctx context.Context, course harness.Course, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	machine := host{
		providers: providers.All, kubectl: embedded.Kubectl, engine: engineOf,
		carries: embedded.Carried,
	}
	return run(ctx, course, machine, args, stdin, stdout, stderr)
}

// host is what the machine brings: clusters, a folder with kubectl in it, and
// the container engine, whose error is a *cluster.NoEngineError where there is none.
// carries reports whether this program holds all that the embedded cluster
// takes.
type host struct {
	providers func(o cluster.Options, kubeconfig, context string) []cluster.Provider
	kubectl   func(ctx context.Context, home string, display *progress.Display) (folder string, err error)
	engine    func(ctx context.Context, home string, display *progress.Display) (bundle.Engine, error)
	carries   func() bool
}

func run(ctx context.Context, course harness.Course, host host, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f := &front{
		host: host, course: course, stdin: stdin, stdout: stdout, stderr: stderr,
		display: progress.New(stderr, isTerminal(stderr)),
	}
	root := f.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	status := f.conclude(ctx, cmd, err)
	if status != 0 && byMake() { // which reports any other status in a line of its own
		return 1
	}
	return status
}

// caller names the variable that says who runs the command.
const caller = "ROLECALL_CALLER"

// byMake reports whether the user typed make, and so knows its words only.
func byMake() bool { return os.Getenv(caller) == "make" }

// front is one call of the command.
type front struct {
	host
	course         harness.Course
	stdin          io.Reader
	stdout, stderr io.Writer
	display        *progress.Display

	want                cluster.Choice // --cluster and --name
	context, kubeconfig string         // of an existing cluster
	home                string
	yes                 bool
	screen              int  // how wide a watcher's is, in columns
	watching            bool // the user is in a watcher, and runs no command for another check
}

// root is the command with all others below it.
func (f *front) root() *cobra.Command {
	root := &cobra.Command{
		Use:           program(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, words []string) error {
			if len(words) == 0 {
				return nil
			}
			err := fmt.Errorf("unknown command %q", words[0])
			if like := cmd.SuggestionsFor(words[0]); len(like) > 0 {
				err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(like, " or "))
			}
			return hint(cmd, err)
		},
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprint(f.stderr, f.help())
			return exit(2)
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
			err = fmt.Errorf("%w; flags begin with two dashes", err)
		}
		var wrong *pflag.InvalidValueError
		if errors.As(err, &wrong) {
			flag := wrong.GetFlag()
			err = fmt.Errorf("%q is not a value for %s, which takes %s", wrong.GetValue(), named(flag.Name), kinds[flag.Value.Type()])
		}
		return hint(cmd, err)
	})
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, words []string) {
		if cmd == root {
			fmt.Fprint(f.stdout, f.help())
			return
		}
		help(cmd, words)
	})
	root.AddCommand(f.lab(), f.watch(), f.part(), f.demo(), f.tour(), f.solution(), f.restart(), f.labs(), f.task(), f.next(), f.hint(), f.difference(), f.report(), f.explain(), f.editor())
	root.AddCommand(f.grade(), f.gradeAll(), f.verifyEvidence(), f.bundle())
	root.AddCommand(f.up(), f.down(), f.status(), f.reset(), f.kubectl(), f.shell(), f.doctor(), f.logs(), f.clean(), f.version(), f.guardian())
	return root
}

// program is this program as its user typed it.
func program() string {
	if typed := os.Args[0]; filepath.Base(typed) == "rolecall" && !strings.ContainsAny(typed, " \t") {
		return typed
	}
	return "rolecall"
}

// help is all commands on one screen.
func (f *front) help() string {
	return fmt.Sprintf(`rolecall checks labs on a real cluster: %s.
Learn (a command's flags: rolecall COMMAND --help)
  tour             see in a minute what it is about; there is nothing to write
  lab N            check lab N; the first time, get its starter
  next, watch [N]  begin the first lab not passed; check whenever you save
  %-15s  check all labs and the story that they tell together
  demo, editor     the same with the solutions; set up Visual Studio Code
  labs, task N     list the labs; read the task of lab N here
  hint [N]         get a hint; the next one opens after another attempt
  report, explain  write a page on what was checked last; print it for a tutor
  difference N     after passing, compare your files with the reference solution
  solution N       show the reference solution of lab N, after asking
  restart N        start lab N over; what you wrote is kept beside it
Teach
  grade, grade-all  grade one submission on a cluster of its own; grade a class
  verify-evidence  verify graded results against their signed evidence
  bundle           write a folder for a room without a network
The cluster
  up, down         create the cluster (labs do this for you); delete it
  status, reset    show clusters and progress; delete all you added to one
  kubectl, shell   run kubectl on it; start a shell that has kubectl
  logs, clean      collect its logs; delete what was built for clusters
  doctor, version  say what this machine can run; say which rolecall this is
Exit status: 0 all passed, 1 not yet, 2 could not check, 3 needs review.
`, f.course.Title, f.course.Name)
}

// exit is the exit status of a command that has said why already; joined to an
// error, it is the status that the error stands for.
type exit int

func (e exit) Error() string { return "exit status " + strconv.Itoa(int(e)) }

// kinds are the types of flags in words.
var kinds = map[string]string{"int": "a whole number", "duration": "a time such as 15m", "bool": "true or false"}

// hint adds to a mistake on the command line where its reader finds help.
func hint(cmd *cobra.Command, err error) error {
	if byMake() {
		return next.Errorf("make help", "%w", err)
	}
	return next.Errorf(cmd.CommandPath()+" --help", "%w", err)
}

// noWords refuses words where a command takes none.
func noWords(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	return hint(cmd, fmt.Errorf("unexpected %q: %s takes no arguments", words[0], cmd.CommandPath()))
}

// clusterFlags are the flags of commands that work in a cluster.
func (f *front) clusterFlags(cmd *cobra.Command) {
	f.ownedFlags(cmd)
	cmd.Flags().StringVar(&f.context, "context", "", "with --cluster existing: the `name` of its context")
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "with --cluster existing: the `file` that has the context")
}

// The variables by which a command in a shell of ours knows that shell's cluster.
const (
	clusterOfShell = "ROLECALL_CLUSTER"
	nameOfShell    = "ROLECALL_NAME"
)

// ownedFlags are the flags of commands for clusters of rolecall's own.
func (f *front) ownedFlags(cmd *cobra.Command) {
	names := []string{cluster.Auto}
	for _, p := range f.clusters() {
		names = append(names, p.Name())
	}
	cmd.Flags().StringVar(&f.want.Provider, "cluster", cmp.Or(os.Getenv(clusterOfShell), cluster.Auto), "its `provider`: "+strings.Join(names, ", "))
	complete(cmd, "cluster", names)
	cmd.Flags().StringVar(&f.want.Name, "name", cmp.Or(os.Getenv(nameOfShell), cluster.DefaultName), "the cluster's `name`")
	f.homeFlag(cmd)
}

// complete proposes values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil { // there is no such flag
		panic(err)
	}
}

func (f *front) homeFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.home, "home", os.Getenv("ROLECALL_HOME"), "the `directory` for clusters and images")
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		f.home, err = cluster.Home(f.home)
		return err
	}
}

func (f *front) yesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.yes, "yes", false, "answer yes to the question")
}

// clusters are the providers of clusters for this course.
func (f *front) clusters() []cluster.Provider {
	return f.providers(cluster.Options{
		Home: f.home, Scene: f.course.Scene, Display: f.display, Say: f.display.Say,
	}, f.kubeconfig, f.context)
}

// print prints lines for a person, broken where a terminal ends.
func (f *front) print(format string, args ...any) {
	_, _ = io.WriteString(f.stdout, wrap.Text(fmt.Sprintf(format, args...), wrap.Columns(f.stdout)))
}

// columns is how wide a table may be, 0 where it does not matter. Other lines are
// broken by a watcher's screen itself, whenever it changes.
func (f *front) columns() int {
	if f.watching {
		return f.screen
	}
	return wrap.Columns(f.stdout)
}

// keyOr is how the user gets something: by a key of the watcher's, or by a command.
func (f *front) keyOr(key, command string) string {
	if f.watching && isTerminal(f.stdin) {
		return "the key " + key
	}
	return command
}

func isTerminal(stream any) bool {
	if text, ok := stream.(interface{ Styled() bool }); ok {
		return text.Styled()
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// conclude says why a command failed and returns its exit status.
func (f *front) conclude(ctx context.Context, cmd *cobra.Command, err error) int {
	status := exit(2)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status) && err == error(status): //nolint:errorlint // alone
		return int(status)
	case errors.Is(err, harness.ErrInterrupted):
		fmt.Fprintf(f.stderr, "Interrupted; no result was recorded. Run %s again.\n", typed(cmd))
		return 2
	case ctx.Err() != nil:
		fmt.Fprintf(f.stderr, "Interrupted. Run %s again.\n", typed(cmd))
		return 2
	}
	fmt.Fprintln(f.stderr, "rolecall: "+explained(cmd, err))
	return int(status)
}

// explained is an error for the user of a command, with what to do about it.
func explained(cmd *cobra.Command, err error) string {
	var status exit
	errors.As(err, &status)
	text := spoken(cmd, strings.TrimSuffix(err.Error(), "\n"+status.Error()))
	if advice := next.Of(err); advice != "" {
		text += "\nnext: " + worded(cmd, advice)
	}
	return text
}
