package nodeimage

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	kindversion "sigs.k8s.io/kind/pkg/cmd/kind/version"

	"rolecall/harness/cluster/internal/versions"
)

// kindFiles is where the Go command keeps the files of kind's node.
func kindFiles(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "images", "base", "files")
}

func TestKindsFilesStillHaveWhatIsChanged(t *testing.T) {
	root := kindFiles(t)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		require.NoError(t, err)
		return b
	}

	config, err := adapt("etc/containerd/config.toml", read("etc/containerd/config.toml"))
	require.NoError(t, err)
	require.Contains(t, string(config), `sandbox_image = "`+versions.ImagePause+`"`)
	require.Contains(t, string(config), "restrict_oom_score_adj = true")

	unit, err := adapt("etc/systemd/system/containerd.service", read("etc/systemd/system/containerd.service"))
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)^(Limit|TasksMax|OOMScoreAdjust)`, string(unit))
	require.Contains(t, string(unit), "ExecStart=/usr/local/bin/containerd")

	entrypoint, err := adapt("usr/local/bin/entrypoint", read("usr/local/bin/entrypoint"))
	require.NoError(t, err)
	require.Equal(t, read("usr/local/bin/entrypoint"), entrypoint, "all else stays as it is")
}

func TestReplaceLinesMissesAKey(t *testing.T) {
	_, err := replaceLines([]byte("a = 1\n# b = 2 in a comment\n"), map[string]string{"a": "a = 2", "b": ""})
	require.ErrorContains(t, err, "no longer sets b")
}

func TestKindVersionIsThatOfTheModule(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "sigs.k8s.io/kind").Output()
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(out)), "v"+kindversion.Version(), "its files are looked up by this version")
}

func TestTagFollowsTheInputs(t *testing.T) {
	require.Equal(t, Built("amd64"), Built("amd64"))
	require.NotEqual(t, Built("amd64"), Built("arm64"))
	require.Regexp(t, `^rolecall\.local/node:v1\.\d+\.\d+-[0-9a-f]{12}$`, Built("amd64"))
}

func TestProgramsGiveEveryFileThatIsUsed(t *testing.T) {
	for _, p := range programs {
		mod, err := modfile.Parse("go.mod", []byte(p.goMod()), nil)
		require.NoError(t, err)
		require.Equal(t, "rolecall.build/"+p.name, mod.Module.Mod.Path, "our main package is called by this")
		require.True(t, p.source != "" || len(p.packages) > 0)
	}
}
