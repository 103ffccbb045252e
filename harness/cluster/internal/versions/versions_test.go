package versions

import (
	language "go/version"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// files are those of the modules, with some of what each requires.
var files = map[string][]string{
	"../../../../go.mod":                  {"k8s.io/client-go"},
	"../../../../manifests/program.mod":   {"k8s.io/client-go", "k8s.io/api", "k8s.io/apimachinery"},
	"../../embedded/_machine/machine.mod": {"k8s.io/client-go", "k8s.io/kubernetes", "go.etcd.io/etcd/server/v3"},
}

// TestModulesShareTheirPackages holds the modules to one version of whatever
// more than one of them requires: a package is compiled once for all of them,
// and learners' first programs in seconds.
func TestModulesShareTheirPackages(t *testing.T) {
	first, in := map[string]string{}, map[string]string{}
	shared := 0
	for name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		mod, err := modfile.Parse(name, text, nil)
		require.NoError(t, err)
		for _, r := range mod.Require {
			if version, also := first[r.Mod.Path]; also {
				shared++
				assert.Equal(t, version, r.Mod.Version, "%s in %s and in %s", r.Mod.Path, in[r.Mod.Path], name)
				continue
			}
			first[r.Mod.Path], in[r.Mod.Path] = r.Mod.Version, name
		}
	}
	assert.Greater(t, shared, 50)
}

// TestFilesHaveTheseVersions holds the modules' own files to this package.
func TestFilesHaveTheseVersions(t *testing.T) {
	for name, has := range files {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			mod, err := modfile.Parse(name, text, nil)
			require.NoError(t, err)
			assert.Equal(t, Go, mod.Go.Version)
			var required []string
			for _, r := range mod.Require {
				required = append(required, r.Mod.Path)
				if want := version(r.Mod); want != "" {
					assert.Equal(t, want, r.Mod.Version, r.Mod.Path)
				}
			}
			assert.Subset(t, required, has)
			for _, g := range mod.Godebug {
				assert.Equal(t, language.Lang("go"+Go), g.Value)
			}
			for _, r := range mod.Replace {
				assert.Equal(t, KubernetesStaging, r.New.Version, r.Old.Path)
			}
		})
	}
}

// version is what a required module must have, or "" if any will do.
func version(m module.Version) string {
	switch {
	case m.Path == "k8s.io/kubernetes":
		return Kubernetes
	case strings.HasPrefix(m.Path, "go.etcd.io/etcd/"):
		return Etcd
	case strings.HasPrefix(m.Path, "k8s.io/") && !module.IsPseudoVersion(m.Version) && !strings.HasPrefix(m.Path, "k8s.io/klog/"):
		return KubernetesStaging
	}
	return ""
}

func TestKubernetesHasOneVersion(t *testing.T) {
	patch, ok := strings.CutPrefix(Kubernetes, "v"+KubernetesMajor+"."+KubernetesMinor)
	require.True(t, ok)
	assert.Equal(t, "v0."+KubernetesMinor+patch, KubernetesStaging)
}
