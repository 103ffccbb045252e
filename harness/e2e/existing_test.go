package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"rolecall/harness"
)

// TestExisting takes a cluster of ours for somebody else's: the labs work in
// namespaces of their own, leave nothing, and judge nothing that only an audit
// log can prove.
func TestExisting(t *testing.T) {
	b, dir := bed(t), solutions(t)
	config, err := clientcmd.LoadFromFile(b.Kubeconfig())
	require.NoError(t, err)
	existing := []string{"--cluster", "existing", "--kubeconfig", b.Kubeconfig()}
	for _, test := range []struct {
		lab      string
		status   int
		outcomes map[string]harness.Outcome
	}{
		{"1", 2, map[string]harness.Outcome{"pod.manifest": harness.Pass, "pod.running": harness.Pass, "pod.token-mounted": harness.Pass, "pod.unauthenticated": harness.Error}},
		{"3", 2, map[string]harness.Outcome{"forbidden.observed": harness.Error, "forbidden.answer": harness.Skipped}},
		{"4", 0, map[string]harness.Outcome{"rolebinding.allows-view": harness.Pass, "rolebinding.no-more": harness.Pass, "rolebinding.only-default": harness.Pass}},
		{"11", 2, map[string]harness.Outcome{"user.manifest": harness.Pass, "user.request": harness.Error, "user.allowed": harness.Skipped}},
		{"12", 2, map[string]harness.Outcome{"openid.manifest": harness.Error, "openid.others": harness.Error}},
	} {
		t.Run("lab "+test.lab, func(t *testing.T) {
			assert.NoError(t, b.unchanged(t.Context(), func() error {
				out := t.TempDir()
				c := b.start(t, append([]string{"lab", test.lab, "--submission", dir, "--results", out, "--context", config.CurrentContext}, existing...)...)
				assert.Equal(t, test.status, c.status(), c.said)
				for _, check := range read(t, out).Labs[0].Checks {
					if want, named := test.outcomes[check.ID]; named {
						assert.Equal(t, want, check.Outcome, "%s: %s %s", check.ID, check.Got, check.Error)
					}
					assert.NotEqual(t, harness.Fail, check.Outcome, check.ID)
				}
				return nil
			}))
		})
	}
	t.Run("no such context", func(t *testing.T) {
		c := b.start(t, append([]string{"lab", "4", "--submission", dir, "--context", "production"}, existing...)...)
		assert.Equal(t, 2, c.status())
		assert.Contains(t, c.said.String(), "kubectl config get-contexts")
	})
}
