package wrap

import (
	"regexp"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// Table lays rows out in columns, two apart, and breaks lines within cells where
// the table would be wider than width columns. With a width of 0 it breaks none.
func Table(rows [][]string, width int) string {
	text := inColumns(rows).String()
	if width > 0 && lipgloss.Width(text) > width {
		text = inColumns(rows).Width(width).String() // another one: a table keeps the widths it had
	}
	return strings.TrimRight(spacesAtEnd.ReplaceAllString(text, ""), "\n") + "\n"
}

func inColumns(rows [][]string) *table.Table {
	return table.New().Rows(rows...).
		Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		StyleFunc(func(int, int) lipgloss.Style { return lipgloss.NewStyle().PaddingRight(1) })
}

var spacesAtEnd = regexp.MustCompile(`(?m) +$`)
