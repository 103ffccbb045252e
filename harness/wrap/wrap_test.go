package wrap

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"short", "as it is", "as it is"},
		{"paragraph", "a line that is much longer than that", "a line that is much\nlonger than that"},
		{"field", "    x     this and that thing", "    x     this and\n          that thing"},
		{"long name", "    name this and that thing", "    name this and\n         that thing"},
		{"columns", "  ✓ a.b  one two three four", "  ✓ a.b  one two\n         three four"},
		{"list", "- one two three four five", "- one two three four\n  five"},
		{"hyphens", "one two three lab-3/answer.yaml --name", "one two three\nlab-3/answer.yaml\n--name"},
		{"link", "one two \x1b]8;;https://a-b.org/c-d\x1b\\three four-five\x1b]8;;\x1b\\ six", "one two three\nfour-five six"},
		{"no space", "0123456789012345678901234", "01234567890123456789\n01234"},
		{"deep", "               far right of it", "               far\n  right of it"},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, ansi.Strip(Text(c.text, 20))) })
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{{"✓ one", "of two three four", "1"}, {"  ten", "five", ""}}
	assert.Equal(t, "✓ one  of two three four  1\n  ten  five\n", Table(rows, 0))
	assert.Equal(t, "✓ one  of two three four  1\n  ten  five\n", Table(rows, 80))
	assert.Equal(t, "✓ one  of two    1\n       three\n       four\n  ten  five\n", Table(rows, 19))
}
