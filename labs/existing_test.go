package labs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"rolecall/harness"
)

// TestExisting takes the suite's cluster for somebody else's: the labs work in
// namespaces of their own, leave nothing, and judge nothing that only an audit
// log can prove.
func TestExisting(t *testing.T) {
	needsOurs(t)
	binary, dir := build(t), solutions(t)
	lend(t)
	kubeconfig, context := private(t)
	before := take(t)
	for _, test := range []struct {
		lab      string
		status   int
		outcomes map[string]harness.Outcome
	}{
		{"1", 2, map[string]harness.Outcome{"pod.manifest": harness.Pass, "pod.running": harness.Pass, "pod.token-mounted": harness.Pass, "pod.unauthenticated": harness.Error}},
		{"3", 2, map[string]harness.Outcome{"forbidden.observed": harness.Error, "forbidden.answer": harness.Skipped}},
		{"4", 0, map[string]harness.Outcome{"rolebinding.allows-view": harness.Pass, "rolebinding.no-more": harness.Pass, "rolebinding.only-default": harness.Pass}},
	} {
		t.Run("lab "+test.lab, func(t *testing.T) {
			out := t.TempDir()
			c := start(t, binary, "lab", test.lab, "-submission", dir, "-results", out,
				"-cluster", "existing", "-context", context, "-kubeconfig", kubeconfig)
			assert.Equal(t, test.status, c.status(), c.said)
			for _, check := range read(t, out).Steps[0].Checks {
				if want, named := test.outcomes[check.ID]; named {
					assert.Equal(t, want, check.Outcome, "%s: %s %s", check.ID, check.Got, check.Error)
				}
				assert.NotEqual(t, harness.Fail, check.Outcome, check.ID)
			}
			after := take(t)
			assert.Empty(t, after.Without(before).Sorted(), "left behind")
			assert.Empty(t, before.Without(after).Sorted(), "taken away")
		})
	}
	t.Run("no such context", func(t *testing.T) {
		c := start(t, binary, "lab", "4", "-submission", dir, "-cluster", "existing", "-context", "production", "-kubeconfig", kubeconfig)
		assert.Equal(t, 2, c.status())
		assert.Contains(t, c.said.String(), "kubectl config get-contexts")
	})
}
