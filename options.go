package main

import (
	"flag"
	"fmt"
	"os"

	"golang.org/x/term"

	"rolecall/harness/cluster"
	"rolecall/harness/cluster/choice"
	"rolecall/harness/progress"
)

// options are the flags of every command; the Makefile's variables set them.
type options struct {
	choice.Wish

	submission string
	results    string
	yes        bool
	grading
}

func (o *options) register(flags *flag.FlagSet) {
	flags.StringVar(&o.Cluster, "cluster", "auto", "auto, kind, embedded or existing")
	flags.StringVar(&o.Name, "name", cluster.DefaultName, "the cluster's `name`")
	flags.StringVar(&o.Context, "context", "", "with -cluster existing: the `context` to work in")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "with -cluster existing: the `file` that has the context")
	flags.StringVar(&o.submission, "submission", "work", "the learner's `directory`; with grade also a .zip or .tar.gz")
	flags.StringVar(&o.results, "results", "", "a `directory` for results.json and junit.xml")
	flags.StringVar(&o.Home, "home", os.Getenv("ROLECALL_HOME"), "the `directory` for clusters and images (default rolecall in the user's cache)")
	flags.BoolVar(&o.yes, "yes", false, "answer yes to questions")
	o.grading.register(flags)
}

// prepare fills in what no flag sets.
func (o *options) prepare() (err error) {
	o.Display = progress.New(os.Stderr, isTerminal(os.Stderr))
	o.Say = func(line string) { fmt.Fprintln(os.Stderr, line) }
	o.Home, err = choice.Home(o.Home)
	return err
}

func isTerminal(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
