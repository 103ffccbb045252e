package kind

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"rolecall/harness/progress"
)

func TestWriteMakesAConfigurationThatKindReads(t *testing.T) {
	for name, folder := range map[string]string{"plain": "cluster", "with spaces and \"quotes\"": `a "b" c`} {
		t.Run(name, func(t *testing.T) {
			shared := filepath.Join(t.TempDir(), folder, "node")
			text, err := making{NodeImage: "rolecall.local/node:1", Cgroup: 1}.write(shared)
			require.NoError(t, err)
			var config v1alpha4.Cluster
			require.NoError(t, yaml.UnmarshalStrict(text, &config))
			require.Len(t, config.Nodes, 1)
			assert.Equal(t, shared, config.Nodes[0].ExtraMounts[0].HostPath)
			assert.Equal(t, "rolecall.local/node:1", config.Nodes[0].Image)
			for _, file := range []string{"audit-policy.yaml", "patches/corednsdeployment.yaml"} {
				assert.FileExists(t, filepath.Join(shared, file))
			}
			for _, patch := range config.Nodes[0].KubeadmConfigPatches {
				var object map[string]any
				require.NoError(t, yaml.UnmarshalStrict([]byte(patch), &object), patch)
			}
		})
	}
}

func TestCgroupV1IsToldToTheKubeletOnlyWhereItIs(t *testing.T) {
	for version, told := range map[int]bool{1: true, 2: false} {
		text, err := making{Cgroup: version}.write(filepath.Join(t.TempDir(), "node"))
		require.NoError(t, err)
		assert.Equal(t, told, bytes.Contains(text, []byte("failCgroupV1: false")))
	}
}

func TestFingerprintIsOverAllThatShapesACluster(t *testing.T) {
	base := making{NodeImage: "a", Cgroup: 1, Kind: "n"}
	for _, other := range []making{{NodeImage: "b", Cgroup: 1, Kind: "n"}, {NodeImage: "a", Cgroup: 2, Kind: "n"}, {NodeImage: "a", Cgroup: 1, Kind: "m"}} {
		assert.NotEqual(t, base.fingerprint(), other.fingerprint())
	}
	assert.Equal(t, base.fingerprint(), base.fingerprint())
}

func TestIsOurs(t *testing.T) {
	c := &Cluster{Home: "/home/ada/.cache/rolecall"}
	assert.True(t, c.isOurs("/etc/rolecall=/home/ada/.cache/rolecall/clusters/rolecall/node"))
	assert.True(t, c.isOurs("/etc/rolecall=/host_mnt/home/ada/.cache/rolecall/clusters/rolecall/node"), "in a virtual machine")
	assert.False(t, c.isOurs("/etc/rolecall=/home/bob/.cache/rolecall/clusters/rolecall/node"), "somebody else's rolecall")
	assert.False(t, c.isOurs("/var=/home/ada/.cache/rolecall/clusters/rolecall/node"))
}

func TestReuseSaysWhyNot(t *testing.T) {
	c := &Cluster{Home: t.TempDir()}
	stale, err := c.reuse(t.Context())
	require.NoError(t, err)
	assert.Contains(t, stale, "never completed")

	require.NoError(t, os.MkdirAll(c.folder(), 0o700))
	require.NoError(t, writeJSON(filepath.Join(c.folder(), makingFile), making{NodeImage: "old", Fingerprint: "old"}))
	stale, err = c.reuse(t.Context())
	require.NoError(t, err)
	assert.Contains(t, stale, "other parts")

	require.NoError(t, os.WriteFile(filepath.Join(c.folder(), makingFile), []byte("{ half"), 0o600))
	stale, err = c.reuse(t.Context())
	require.NoError(t, err)
	assert.Contains(t, stale, "never completed", "a broken file is no reason to give up")
}

func TestLoggerShowsKindsSteps(t *testing.T) {
	var out bytes.Buffer
	task := progress.New(&out, false).Begin("creating", 0)
	logger{task}.V(0).Infof(" • %s  ...", "Installing CNI 🔌")
	logger{task}.V(0).Info(" ✓ Installing CNI 🔌")
	logger{task}.V(1).Info(" • hidden ...")
	task.End(nil)
	logger{nil}.V(0).Info(" • no task ...")
}
