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
	"rolecall/harness/wrap"
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
	shown := leadsOn.ReplaceAllString(string(text), "")
	for _, other := range f.course.Way() {
		shown = strings.ReplaceAll(shown, path.Join(f.course.Source(other), "README.md"), f.whereTask(cmd, other))
	}
	return f.printMarkdown(withVariables(cmd, shown))
}

// leadsOn matches the last line of a text, a link to the next one.
var leadsOn = regexp.MustCompile(`\nNext: \[.*\n?$`)

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

// printMarkdown prints a text in Markdown, on a terminal as wide as that is.
func (f *front) printMarkdown(text string) error {
	columns := wrap.Columns(f.stdout)
	if columns > 0 || f.watching {
		text = unbroken(text)
	}
	_, err := io.WriteString(f.stdout, markdown(text, isTerminal(f.stdout), columns, f.columns()))
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
		quote, quotes := strings.CutPrefix(line, "> ")
		if quotes && open && strings.HasPrefix(lines[len(lines)-1], "> ") {
			goesOn, line = true, quote
		}
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
// its code indented, and on a terminal with tables, emphasis and links of the
// terminal's own (OSC 8). Lines other than those of commands, which are copied, are
// broken where the terminal ends, which is at columns, or at tables for a table.
// Where either is 0, they are not broken.
func markdown(text string, terminal bool, columns, tables int) string {
	code, commands := false, false
	var shown, rows strings.Builder
	for line := range strings.Lines(text + "\n") {
		if terminal && !code && strings.HasPrefix(line, "|") {
			rows.WriteString(line)
			continue
		}
		if rows.Len() > 0 {
			shown.WriteString(tabulated(rows.String(), tables))
			rows.Reset()
		}
		title := heading.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "```"):
			code, commands = !code, strings.HasPrefix(line, "```bash")
			continue
		case code && commands:
			line = "    " + line
		case code:
			broken := wrap.Text(strings.TrimSuffix(line, "\n"), max(columns-len("    "), 0))
			line = "    " + strings.ReplaceAll(broken, "\n", "\n    ") + "\n"
		case title != nil && terminal:
			line = "\x1b[1m" + title[1] + "\x1b[0m\n"
		case terminal:
			line = wrap.Text(styledText(line), columns)
		default:
			line = wrap.Text(relative.ReplaceAllString(absolute.ReplaceAllString(line, "$1 <$2>"), "$1"), columns)
		}
		shown.WriteString(line)
	}
	return strings.TrimSuffix(shown.String(), "\n")
}

// styledText is Markdown within a line for a terminal.
func styledText(line string) string {
	line = absolute.ReplaceAllString(line, "\x1b]8;;$2\x1b\\\x1b[4m$1\x1b[0m\x1b]8;;\x1b\\")
	line = relative.ReplaceAllString(line, "$1")
	line = strong.ReplaceAllString(line, "\x1b[1m$1\x1b[0m")
	line = quoted.ReplaceAllString(line, "\x1b[1m$1\x1b[0m")
	return stressed.ReplaceAllString(line, "$1\x1b[3m$2\x1b[0m")
}

// tabulated is a table in Markdown as columns of a terminal.
func tabulated(table string, columns int) string {
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if i == 1 { // below the headings
			continue
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			row = append(row, styledText(strings.TrimSpace(cell)))
		}
		rows = append(rows, row)
	}
	return wrap.Table(rows, columns)
}

// The parts of Markdown that are shown in another way.
var (
	heading  = regexp.MustCompile(`^#+ +(.*)\n`)
	absolute = regexp.MustCompile(`\[([^\]]*)\]\((https?://[^)]*)\)`)
	relative = regexp.MustCompile(`\[([^\]]*)\]\([^):]*\)`)
	stressed = regexp.MustCompile(`(^|[\s(])\*([^*\s][^*]*)\*`)
	strong   = regexp.MustCompile(`\*\*([^*]+)\*\*`)
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
