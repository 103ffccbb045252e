package command

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
)

func TestUnbroken(t *testing.T) {
	text := "# Title\nOne line\nand the next.\n\nA new one.\n- an entry\n  that goes on\n- another\n\n| a | b |\n|---|---|\n| 1 | 2 |\n```sh\ncode stays\nas it is\n```\nAfter\nit.\n> quoted\ngoes on\n> and on\n"
	assert.Equal(t, "# Title\nOne line and the next.\n\nA new one.\n- an entry that goes on\n- another\n\n| a | b |\n|---|---|\n| 1 | 2 |\n```sh\ncode stays\nas it is\n```\nAfter it.\n> quoted goes on and on\n", unbroken(text))
}

// TestMarkdownOnATerminal: prose and tables are as wide as the terminal, and a
// command can be copied.
func TestMarkdownOnATerminal(t *testing.T) {
	text := "# Title\n\nOne two three **four** five `six` seven eight.\n\n| a | what it is |\n|---|---|\n| `b` | one two three four five |\n\n" +
		"```bash\none --long=command --that=goes --on\n```\n\n```text\n  ✓ tea.hot  the tea is hot by now\n```\n"
	want := "Title\n\nOne two three four five\nsix seven eight.\n\na  what it is\nb  one two three four\n   five\n\n" +
		"    one --long=command --that=goes --on\n\n      ✓ tea.hot  the tea\n      is hot by now\n"
	assert.Equal(t, want, ansi.Strip(markdown(text, true, 24, 24)))
	assert.Contains(t, markdown(text, false, 0, 0), "| `b` | one two", "a file keeps its Markdown")
}
