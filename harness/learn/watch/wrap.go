package watch

import (
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// hangs matches what is before the text of a line: the name of a field, the
// columns of a table, or the dash of a list.
var hangs = regexp.MustCompile(`^(?:    \S+\s+|\s*(?:\S ?\S+\s{2,}|- )?)`)

// wrapped breaks lines that are wider than width columns, and indents what
// follows as the text begins.
func wrapped(text string, width int) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if ansi.StringWidth(line) <= width {
			lines = append(lines, line)
			continue
		}
		indent := len([]rune(hangs.FindString(ansi.Strip(line))))
		if indent > width/2 {
			indent = 2
		}
		first, rest := ansi.Truncate(line, indent, ""), ansi.TruncateLeft(line, indent, "")
		for i, part := range strings.Split(ansi.Wrap(rest, width-indent, ""), "\n") {
			if i > 0 {
				first = strings.Repeat(" ", indent)
			}
			lines = append(lines, first+part)
		}
	}
	return strings.Join(lines, "\n")
}
