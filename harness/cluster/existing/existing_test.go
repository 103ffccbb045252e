package existing

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"rolecall/harness/next"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: production
clusters:
  - {name: production, cluster: {server: "https://production:6443"}}
  - {name: playground, cluster: {server: "https://playground:6443"}}
contexts:
  - {name: production, context: {cluster: production, user: ada}}
  - {name: playground, context: {cluster: playground, user: ada}}
users:
  - {name: ada, user: {token: secret}}
`

func at(t *testing.T, context string) *Cluster {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, []byte(kubeconfig), 0o600))
	return Provider{Kubeconfig: file, Context: context}.Cluster("").(*Cluster)
}

func TestAContextIsNamedOnPurpose(t *testing.T) {
	for context, says := range map[string]string{"": "needs the name of a context", "playgruond": "playgruond"} {
		for _, err := range []error{at(t, context).Up(t.Context()), at(t, context).WriteKubeconfig(t.Context(), filepath.Join(t.TempDir(), "copy"))} {
			require.ErrorContains(t, err, says)
			assert.Equal(t, "kubectl config get-contexts, then choose one with CONTEXT=name", next.Of(err))
		}
	}
	require.Error(t, Provider{}.Available(t.Context()))
}

func TestWriteKubeconfigKnowsTheContextAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, at(t, "playground").WriteKubeconfig(t.Context(), file))
	config, err := clientcmd.LoadFromFile(file)
	require.NoError(t, err)
	assert.Equal(t, "playground", config.CurrentContext)
	assert.Len(t, config.Clusters, 1)
	assert.Len(t, config.Contexts, 1)
}

func TestNothingIsDoneBeforeUp(t *testing.T) {
	c := at(t, "playground")
	require.NoError(t, c.Leave(t.Context()))
	require.ErrorContains(t, c.Logs(t.Context(), t.TempDir()), "not up")
}
