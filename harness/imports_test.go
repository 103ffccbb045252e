package harness

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImportsGoOneWay holds the rule main → labs, steps → harness → harness/check
// → harness/cluster: the engine knows no lab by name.
func TestImportsGoOneWay(t *testing.T) {
	layer := func(path string) int {
		switch {
		case path == "rolecall":
			return 4
		case path == "rolecall/labs", path == "rolecall/labs/corpus", path == "rolecall/steps":
			return 3
		case path == "rolecall/harness/check":
			return 1
		case strings.HasPrefix(path, "rolecall/harness/cluster"), path == "rolecall/harness/progress", path == "rolecall/harness/process", path == "rolecall/harness/inventory", path == "rolecall/manifests":
			return 0
		case strings.HasPrefix(path, "rolecall/harness"):
			return 2
		}
		return -1
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "rolecall/...").Output()
	require.NoError(t, err)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, decoder.Decode(&p))
		require.GreaterOrEqual(t, layer(p.ImportPath), 0, "%s has no layer", p.ImportPath)
		for _, imported := range p.Imports {
			assert.LessOrEqual(t, layer(imported), layer(p.ImportPath), "%s imports %s", p.ImportPath, imported)
		}
	}
}
