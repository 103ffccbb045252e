// Command rolecall is the front of the lab harness that the Makefile calls.
// Its exit status is 0 where everything passed, 1 where something does not
// hold yet, and 2 where it could not check.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

const usage = `usage: rolecall COMMAND [flags]

  lab N         check lab N, 1 to 5, of a submission
  walkthrough   check all five labs, then the walkthrough as one story
  demo          the walkthrough on the reference solutions
  solution N    show the reference solution of lab N
  grade         grade one submission on a cluster of its own
  grade-all     grade a folder of submissions and write a gradebook
  verify-evidence  hold graded results to their signed evidence
  up, down      create the cluster, delete it
  status        what is there
  reset         bring the cluster back to what it was when new
  clean         delete the images and caches that were built here
  doctor        what this machine can do, and what to do about the rest
  logs DIR      collect the cluster's logs
  kubectl -- ARGS
                run kubectl on the cluster; no install is needed
  shell         a shell with that kubectl in PATH

Exit status: 0 all passed, 1 not yet, 2 could not check.

flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	klog.SetLogger(logr.Discard()) // client-go's own words; what matters comes back as errors
	os.Exit(run(ctx, os.Args[1:]))
}

// run runs one command and returns the exit status.
func run(ctx context.Context, args []string) int {
	var o options
	flags := flag.NewFlagSet("rolecall", flag.ContinueOnError)
	o.register(flags)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	var raw []string
	if i := slices.Index(args, "--"); i >= 0 { // what stands behind is for kubectl
		args, raw = args[:i], args[i+1:]
	}
	words, err := parse(flags, args)
	if err == flag.ErrHelp {
		return 0
	}
	if err != nil || len(words) == 0 {
		if err == nil {
			flags.Usage()
		}
		return 2
	}
	err = o.prepare()
	status := 2
	if err == nil {
		status, err = dispatch(ctx, &o, words, raw)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rolecall:", err)
		return 2
	}
	return status
}

// parse lets flags stand before and after words.
func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return words, nil
		}
		words = append(words, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

func dispatch(ctx context.Context, o *options, words, raw []string) (int, error) {
	argument := ""
	if len(words) > 1 {
		argument = words[1]
	}
	switch words[0] {
	case "lab":
		n, err := labNumber(argument)
		if err != nil {
			return 2, err
		}
		return o.lab(ctx, n)
	case "walkthrough":
		return o.walkthrough(ctx)
	case "demo":
		return o.demo(ctx)
	case "solution":
		n, err := labNumber(argument)
		if err != nil {
			return 2, err
		}
		return 0, o.solution(n)
	case "grade":
		return o.grade(ctx)
	case "grade-all":
		return o.gradeAll(ctx)
	case "verify-evidence":
		return o.verifyEvidence()
	case "up":
		return 0, o.up(ctx)
	case "down":
		return 0, o.down(ctx)
	case "status":
		return 0, o.status(ctx)
	case "reset":
		return 0, o.reset(ctx)
	case "clean":
		return 0, o.clean(ctx)
	case "doctor":
		return o.doctor(ctx)
	case "kubectl":
		return o.kubectl(ctx, append(words[1:], raw...))
	case "shell":
		return o.shell(ctx)
	case "logs":
		return 0, o.logs(ctx, argument)
	}
	return 2, fmt.Errorf("running %q: no such command; type rolecall -h", words[0])
}

func labNumber(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > 5 {
		return 0, fmt.Errorf("choosing a lab: %q is none; type a number from 1 to 5, as in rolecall lab 1", word)
	}
	return n, nil
}
