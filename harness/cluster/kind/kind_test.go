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

	"rolecall/harness/cluster"
	"rolecall/harness/progress"
)

func TestWriteMakesAConfigurationThatKindReads(t *testing.T) {
	for name, folder := range map[string]string{"plain": "cluster", "with spaces and \"quotes\"": `a "b" c`} {
		t.Run(name, func(t *testing.T) {
			shared := filepath.Join(t.TempDir(), folder, "node")
			text, err := record{NodeImage: "rolecall.local/node:1", Cgroup: 1}.write(shared)
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
		text, err := record{Cgroup: version}.write(filepath.Join(t.TempDir(), "node"))
		require.NoError(t, err)
		assert.Equal(t, told, bytes.Contains(text, []byte("failCgroupV1: false")))
	}
}

func TestFingerprintIsOverAllThatShapesACluster(t *testing.T) {
	scene := cluster.Scene{Namespaces: cluster.Namespaces{{Role: "home", Name: "default"}}, Objects: "a"}
	base := record{NodeImage: "a", Cgroup: 1, Name: "n"}
	for _, other := range []record{{NodeImage: "b", Cgroup: 1, Name: "n"}, {NodeImage: "a", Cgroup: 2, Name: "n"}, {NodeImage: "a", Cgroup: 1, Name: "m"}} {
		assert.NotEqual(t, base.fingerprint(scene), other.fingerprint(scene))
	}
	assert.Equal(t, base.fingerprint(scene), base.fingerprint(scene))
	assert.NotEqual(t, base.fingerprint(scene), base.fingerprint(cluster.Scene{Namespaces: scene.Namespaces, Objects: "b"}))
	assert.NotEqual(t, base.fingerprint(scene), base.fingerprint(cluster.Scene{Namespaces: cluster.Namespaces{{Role: "home", Name: "kitchen"}}, Objects: "a"}))
}

func at(home string) *Cluster {
	return Provider{cluster.Options{Home: home}}.Cluster("rolecall").(*Cluster)
}

func TestIsOurs(t *testing.T) {
	c := at("/home/ada/.cache/rolecall")
	assert.True(t, c.isOurs("/etc/rolecall="+c.shared()))
	assert.True(t, c.isOurs("/etc/rolecall=/host_mnt/home/ada/.cache/rolecall/kind/rolecall/node"), "in a virtual machine")
	assert.True(t, c.isOurs("/etc/rolecall=/home/ada/.cache/rolecall/clusters/rolecall/node"), "of an earlier version")
	assert.False(t, c.isOurs("/etc/rolecall=/home/bob/.cache/rolecall/kind/rolecall/node"), "somebody else's rolecall")
	assert.False(t, c.isOurs("/etc/rolecall=/home/ada/.cache/rolecall/kind/other/node"), "another cluster")
	assert.False(t, c.isOurs("/var=/home/ada/.cache/rolecall/kind/rolecall/node"))
}

func TestUnusableSaysWhy(t *testing.T) {
	c := at(t.TempDir())
	assert.Equal(t, "it was never completed", c.unusable(t.Context()))

	require.NoError(t, os.MkdirAll(c.Folder(), 0o700))
	require.NoError(t, c.Complete([]byte(`{"nodeImage": "old", "fingerprint": "old"}`)))
	assert.Equal(t, "it was created by another version of rolecall", c.unusable(t.Context()))

	require.NoError(t, c.Complete([]byte("{ half")))
	assert.Equal(t, "it was never completed", c.unusable(t.Context()), "a broken file is no reason to give up")

	require.NoError(t, c.complete(record{NodeImage: "new"}))
	assert.Equal(t, "its kubeconfig is gone", c.unusable(t.Context()))
	assert.False(t, c.Running(t.Context()))
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
