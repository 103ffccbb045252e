// Package wrap breaks lines between words where a terminal would break them
// anywhere.
package wrap

import (
	"os"
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// Columns is the width of the terminal that a stream goes to, 0 where it goes to
// none or the width is not known.
func Columns(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 1 {
			return width
		}
	}
	return 0
}

// hangs matches what is before the text of a line: the name of a field, the
// columns of a table, or the mark of a list or a quotation.
var hangs = regexp.MustCompile(`^(?:    \S+\s+|\s*(?:\S ?\S+\s{2,}|- |[0-9]+\. |> )?)`)

// Text breaks lines that are wider than width columns, and indents what follows
// as the text begins. With a width of 0 it breaks none.
func Text(text string, width int) string {
	if width == 0 {
		return text
	}
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
		for i, part := range strings.Split(betweenWords(rest, width-indent), "\n") {
			if i > 0 {
				first = strings.Repeat(" ", indent)
			}
			lines = append(lines, first+part)
		}
	}
	return strings.Join(lines, "\n")
}

// hyphen takes a hyphen's place where ansi would break a line behind one, and so
// a path, a link or an option. It is a private character, none of whose bytes
// ends a terminal's sequence.
const hyphen = "\uebff"

func betweenWords(text string, width int) string {
	text = strings.ReplaceAll(text, "-", hyphen)
	return strings.ReplaceAll(ansi.Wrap(text, width, ""), hyphen, "-")
}
