package gocommand_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/gocommand"
)

// TestMakefileCompilesInTheSameWay is what lets the machine and learners'
// programs reuse the packages that the command was compiled from.
func TestMakefileCompilesInTheSameWay(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	assert.Contains(t, lines, "export GOFLAGS     += "+gocommand.Flags)
	assert.Contains(t, lines, "export CGO_ENABLED := 0")
	assert.Contains(t, lines, "fast                := "+strings.Join(gocommand.Fast, " "))
}

func TestNew(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor")
	t.Setenv("GOOS", "plan9")
	out, err := gocommand.New(t.Context(), t.TempDir(), "darwin", "arm64", "-mod=mod", "env", "GOFLAGS", "CGO_ENABLED", "GOOS", "GOARCH").Output()
	require.NoError(t, err)
	assert.Equal(t, gocommand.Flags+" -mod=mod\n0\ndarwin\narm64\n", string(out))
}

func TestMany(t *testing.T) {
	for processors, each := range map[int]string{1: "1", 2: "1", 3: "1", 8: "4"} {
		before := runtime.GOMAXPROCS(processors)
		command := gocommand.Many(t.Context(), t.TempDir(), "", "", "-mod=mod", "env", "GOFLAGS")
		runtime.GOMAXPROCS(before)
		assert.Contains(t, command.Env, "GOMAXPROCS="+each)
		assert.Subset(t, command.Env, gocommand.Fast)
		out, err := command.Output()
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%s -mod=mod -p=%d\n", gocommand.Flags, processors), string(out))
	}
}
