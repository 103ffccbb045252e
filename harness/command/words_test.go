package command

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTypedKnowsWhatMakeDoesNot: commands below others have no target.
func TestTypedKnowsWhatMakeDoesNot(t *testing.T) {
	f := &front{course: cooking(), host: madeUp}
	for _, caller := range []string{"", "make"} {
		t.Setenv("ROLECALL_CALLER", caller)
		cmd, words, err := f.root().Find([]string{"bundle", "install", "my stick"})
		require.NoError(t, err)
		require.NoError(t, cmd.ParseFlags(words))
		assert.Equal(t, "rolecall bundle install 'my stick'", typed(cmd))
	}
}
