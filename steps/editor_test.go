package steps_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/command"
	"rolecall/labs"
)

// TestEditorsTasksAreTheCommands holds the tasks in the repository to those that
// the command writes for it, and their command to be make.
func TestEditorsTasksAreTheCommands(t *testing.T) {
	t.Chdir("..")
	var out, said strings.Builder
	status := command.Run(t.Context(), labs.Course(), []string{"editor", "--print"}, strings.NewReader(""), &out, &said)
	require.Zero(t, status, said.String())
	there, err := os.ReadFile(filepath.Join(".vscode", "tasks.json"))
	require.NoError(t, err)
	assert.True(t, out.String() == string(there), "bin/rolecall editor --print >.vscode/tasks.json writes it anew")

	var tasks struct {
		Tasks []struct {
			Command string
			Args    []string
		}
	}
	require.NoError(t, json.Unmarshal(there, &tasks))
	for _, task := range tasks.Tasks {
		assert.Equal(t, "make", task.Command)
	}
}
