package embedded

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEditingATestCompilesNothing changes what is no part of a program, and
// then what is.
func TestEditingATestCompilesNothing(t *testing.T) {
	digest := func(change string) string {
		files := fstest.MapFS{}
		for _, name := range []string{"machine.mod", "main.go", "main_test.go", "node/testdata/pod.go", "node/contest.go"} {
			files[sourceFolder+"/"+name] = &fstest.MapFile{Data: []byte(name)}
		}
		files[sourceFolder+"/"+change] = &fstest.MapFile{Data: []byte("changed")}
		var all []string
		require.NoError(t, visit(files, compiled, func(name string, text []byte) error {
			all = append(all, name, string(text))
			return nil
		}))
		return strings.Join(all, " ")
	}
	for _, test := range []string{"main_test.go", "new_test.go", "node/testdata/pod.go", "testdata/more"} {
		assert.Equal(t, digest("main_test.go"), digest(test), test)
	}
	for _, source := range []string{"machine.mod", "main.go", "node/contest.go", "new.go"} {
		assert.NotEqual(t, digest("main_test.go"), digest(source), source)
	}
	for i, name := range content() {
		if i%2 == 0 {
			assert.NotContains(t, name, "_test.go")
		}
	}
}
