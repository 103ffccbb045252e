package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestHelpIsComplete holds the help, which is written by hand, to the commands.
func TestHelpIsComplete(t *testing.T) {
	f := &front{course: cooking(), host: madeUp}
	var told []string
	for line := range strings.Lines(f.help()) {
		if strings.HasPrefix(line, "  ") {
			names, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			for name := range strings.SplitSeq(names, ", ") {
				told = append(told, strings.Fields(name)[0])
			}
		}
	}
	var known []string
	for _, cmd := range f.root().Commands() {
		if !cmd.Hidden {
			known = append(known, cmd.Name())
		}
	}
	slices.Sort(told)
	slices.Sort(known)
	assert.Equal(t, known, told)
}
