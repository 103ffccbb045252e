package harness_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// layers are the packages from the bottom up. A name that ends in /... stands
// for what is below it, too.
var layers = [][]string{
	{"manifests", "harness/next", "harness/wrap", "harness/progress", "harness/process", "harness/gocommand", "harness/download"},
	{"harness/inventory"},
	{"harness/cluster/..."},
	{"harness/check/..."},
	{"harness"},
	{"harness/report", "harness/evidence", "harness/intake", "harness/gradebook", "harness/bundle", "harness/learn", "harness/tutor"},
	{"harness/grade", "harness/learn/..."},
	{"harness/command", "harness/suite", "harness/e2e/..."},
	{"steps"},
	{"labs"},
	{""},
}

// layer is the layer of a package, -1 for one that has none.
func layer(path string) int {
	name := strings.TrimPrefix(strings.TrimPrefix(path, "rolecall"), "/")
	return slices.IndexFunc(layers, func(packages []string) bool {
		return slices.ContainsFunc(packages, func(p string) bool {
			below, all := strings.CutSuffix(p, "/...")
			return name == below || all && strings.HasPrefix(name, below+"/")
		})
	})
}

// TestImportsGoOneWay holds main → labs → steps → command → harness → check →
// cluster, tests aside: a package imports only what is in its own layer or
// below it. The engine so knows no lab.
func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "rolecall/...").Output()
	require.NoError(t, err)
	packages := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); packages++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, decoder.Decode(&p))
		own := layer(p.ImportPath)
		require.GreaterOrEqual(t, own, 0, "%s has no layer", p.ImportPath)
		for _, imported := range p.Imports {
			if imported == "rolecall" || strings.HasPrefix(imported, "rolecall/") {
				assert.LessOrEqual(t, layer(imported), own, "%s imports %s", p.ImportPath, imported)
			}
		}
	}
	assert.Greater(t, packages, len(layers))
}
