package command

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rolecall/harness"
)

// task shows a lab's text, for those who have rolecall and no repository.
func (f *front) task() *cobra.Command {
	return &cobra.Command{
		Use:               "task N",
		Short:             "read the task of a lab here",
		Args:              f.oneTask,
		ValidArgsFunction: f.completeLab,
		RunE: func(cmd *cobra.Command, words []string) error {
			lab, err := f.taskNamed(words[0])
			if err != nil {
				return err
			}
			return f.taskOf(cmd, lab)
		},
	}
}

// taskOf prints a lab's text.
func (f *front) taskOf(cmd *cobra.Command, lab harness.Lab) error {
	text, err := fs.ReadFile(f.course.Files, path.Join(f.course.Dir(lab), "README.md"))
	if err != nil {
		return fmt.Errorf("reading the task: %w", err)
	}
	return f.printMarkdown(withVariables(cmd, string(text)))
}

// oneTask demands the number of a lab, or the course for its story.
func (f *front) oneTask(cmd *cobra.Command, words []string) error {
	if len(words) == 1 && words[0] == f.course.Name && f.course.Story != nil {
		return nil
	}
	return f.oneLab(cmd, words)
}

func (f *front) taskNamed(word string) (harness.Lab, error) {
	if word == f.course.Name && f.course.Story != nil {
		return *f.course.Story, nil
	}
	return f.course.Named(word)
}

// printMarkdown prints a text in Markdown.
func (f *front) printMarkdown(text string) error {
	if f.watching { // whose screen breaks lines where it must
		text = unbroken(text)
	}
	_, err := io.WriteString(f.stdout, markdown(text, isTerminal(f.stdout)))
	return err
}

// unbroken is a text in Markdown with a line for each paragraph and each entry of
// a list.
func unbroken(text string) string {
	var lines []string
	code, open := false, false // in code; the last line may go on
	for line := range strings.SplitSeq(text, "\n") {
		fence := strings.HasPrefix(line, "```")
		goesOn := !code && !fence && line != "" && !starts.MatchString(line)
		if goesOn && open {
			lines[len(lines)-1] += " " + strings.TrimLeft(line, " ")
		} else {
			lines = append(lines, line)
		}
		code = code != fence
		open = !code && !fence && line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "|")
	}
	return strings.Join(lines, "\n")
}

// starts matches a line that does not go on where the one before ended.
var starts = regexp.MustCompile(`^(?:#|\||>|    |\s*[-*] |\s*[0-9]+\. )`)

// markdown is a text whose Markdown is plain enough to be read as it is: with
// its code indented, and on a terminal with emphasis and links of the terminal's
// own (OSC 8).
func markdown(text string, terminal bool) string {
	code := false
	var shown strings.Builder
	for line := range strings.Lines(text) {
		title := heading.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			continue
		case code:
			line = "    " + line
		case title != nil && terminal:
			line = "\x1b[1m" + title[1] + "\x1b[0m\n"
		case terminal:
			line = absolute.ReplaceAllString(line, "\x1b]8;;$2\x1b\\\x1b[4m$1\x1b[0m\x1b]8;;\x1b\\")
			line = quoted.ReplaceAllString(line, "\x1b[1m$1\x1b[0m")
			line = stressed.ReplaceAllString(line, "$1\x1b[3m$2\x1b[0m")
		default:
			line = absolute.ReplaceAllString(line, "$1 <$2>")
		}
		shown.WriteString(relative.ReplaceAllString(line, "$1"))
	}
	return shown.String()
}

// The parts of Markdown that are shown in another way.
var (
	heading  = regexp.MustCompile(`^#+ +(.*)\n`)
	absolute = regexp.MustCompile(`\[([^\]]*)\]\((https?://[^)]*)\)`)
	relative = regexp.MustCompile(`\[([^\]]*)\]\([^):]*\)`)
	stressed = regexp.MustCompile(`(^|[\s(])\*([^*\s][^*]*)\*`)
	quoted   = regexp.MustCompile("`([^`]+)`")
)

// whereTask is where to read a lab's task: its file in the repository, or else
// the command that shows it.
func (f *front) whereTask(cmd *cobra.Command, lab harness.Lab) string {
	file := path.Join(f.course.Source(lab), "README.md")
	if _, err := os.Stat(filepath.FromSlash(file)); err == nil || byMake() {
		return file
	}
	word := f.course.Name
	if lab.Number > 0 {
		word = strconv.Itoa(lab.Number)
	}
	return cmd.Root().Name() + " task " + word
}
