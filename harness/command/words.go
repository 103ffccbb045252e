package command

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// typed is a command as its user types it.
func typed(cmd *cobra.Command) string {
	if cmd.HasParent() && cmd.Parent() != cmd.Root() { // make has no target for it
		return strings.Join(append([]string{cmd.CommandPath()}, shellescape.QuoteCommand(cmd.Flags().Args())), " ")
	}
	target := cmd.Name()
	if words := cmd.Flags().Args(); len(words) == 1 {
		number := strings.TrimPrefix(words[0], "lab-")
		if _, err := strconv.Atoi(number); err == nil {
			target += "-" + number
		}
	}
	return withVariables(cmd, "make "+target)
}

// worded is advice as it is shown: each command in it as it must be typed here,
// and a lone command as an order to run it.
func worded(cmd *cobra.Command, advice string) string {
	for _, program := range []string{"make ", cmd.Root().Name() + " ", "kubectl "} {
		if strings.HasPrefix(advice, program) {
			advice = "run " + advice
		}
	}
	return withVariables(cmd, advice)
}

// variables are those of the Makefile that a command heeds, and the flags that
// they set.
var variables = []struct{ name, flag string }{
	{"CLUSTER", "cluster"}, {"NAME", "name"}, {"CONTEXT", "context"}, {"KUBECONFIG", "kubeconfig"},
	{"SUBMISSION", "submission"}, {"SUBMISSIONS", "submissions"}, {"LABS", "labs"}, {"RESULTS", "results"}, {"OUT", "out"},
	{"FORMATS", "formats"}, {"ROSTER", "roster"}, {"REGRADE", "regrade"}, {"KEY", "key"}, {"WORKERS", "workers"}, {"FRESH", "fresh"}, {"TIME", "time"}, {"MEMORY", "memory"},
	{"WITH", "with"}, {"HINTS", "hints-used"},
}

// named is a flag as its user sets it.
func named(flag string) string {
	for _, v := range variables {
		if v.flag == flag && byMake() {
			return v.name
		}
	}
	return "--" + flag
}

// withVariables completes each make command in a text by what the user of cmd
// set and the command heeds, so that it means the same cluster and submission.
// For a user who does without make it is a command of this program instead.
func withVariables(cmd *cobra.Command, text string) string {
	return spoken(cmd, completed(cmd, text))
}

// completed completes each make command in a text.
func completed(cmd *cobra.Command, text string) string {
	return commands(cmd.Root()).ReplaceAllStringFunc(text, func(words string) string {
		target := labNumber.ReplaceAllString(strings.TrimPrefix(words, "make "), "")
		heeds, _, err := cmd.Root().Find([]string{target})
		if err != nil {
			return words
		}
		for _, v := range variables {
			flag := cmd.Flags().Lookup(v.flag)
			if flag != nil && isSet(flag) && heeds.Flags().Lookup(v.flag) != nil && !strings.Contains(text, v.name+"=") {
				words += " " + v.name + "=" + shellescape.Quote(flag.Value.String())
			}
		}
		return words
	})
}

// spoken is a text for the user of cmd, with commands and flags of this program
// for make's commands and variables where there is no make.
func spoken(cmd *cobra.Command, text string) string {
	if byMake() {
		return text
	}
	root := cmd.Root()
	text = commands(root).ReplaceAllStringFunc(text, func(words string) string {
		target, number, _ := strings.Cut(strings.TrimPrefix(words, "make "), "-")
		if labNumber.MatchString(words) {
			return root.Name() + " " + target + " " + number
		}
		return root.Name() + strings.TrimPrefix(words, "make")
	})
	text = kubectlWords.ReplaceAllStringFunc(text, func(words string) string {
		words, _ = strconv.Unquote(strings.TrimPrefix(words, "ARGS=")) // it is quoted: the pattern says so
		return "-- " + words
	})
	return variable.ReplaceAllStringFunc(text, func(set string) string {
		name := strings.TrimSuffix(set, "=")
		for _, v := range variables {
			if v.name == name {
				return "--" + v.flag + "="
			}
		}
		return set
	})
}

// variable matches what sets a variable of make's.
var variable = regexp.MustCompile(`\b[A-Z]+=`)

// kubectlWords are kubectl's own words in a make command.
var kubectlWords = regexp.MustCompile(`\bARGS="(?:[^"\\]|\\.)*"`)

// isSet reports whether the user set a flag. The Makefile names some with their
// defaults.
func isSet(flag *pflag.Flag) bool { return flag.Changed && flag.Value.String() != flag.DefValue }

var labNumber = regexp.MustCompile(`-[0-9]+$`)

// commands matches each command in a text as it is typed with make.
func commands(root *cobra.Command) *regexp.Regexp {
	var names []string
	for _, cmd := range root.Commands() {
		names = append(names, regexp.QuoteMeta(cmd.Name()))
	}
	slices.Sort(names)
	pattern := regexp.MustCompile(`\bmake (` + strings.Join(names, "|") + `)(-[0-9]+)?\b`)
	pattern.Longest()
	return pattern
}
