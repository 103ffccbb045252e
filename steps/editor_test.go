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

// TestEditorsTasksAreTheCourses holds the tasks in the repository to those that
// the command writes for it, and their commands to the Makefile's.
func TestEditorsTasksAreTheCourses(t *testing.T) {
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
		Inputs []struct{ Options []struct{ Value string } }
	}
	require.NoError(t, json.Unmarshal(there, &tasks))
	for _, task := range tasks.Tasks {
		assert.Equal(t, "make", task.Command)
	}
	require.Len(t, tasks.Inputs, 1)
	require.Len(t, tasks.Inputs[0].Options, len(labs.Course().Labs))
	for i, lab := range labs.Course().Labs {
		assert.Equal(t, lab.Folder(), tasks.Inputs[0].Options[i].Value)
	}
}
