package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
)

func on(resources, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: resources, Verbs: verbs}
}

func TestEffectSaysWhatIsMoreAndLess(t *testing.T) {
	asked := []rbacv1.PolicyRule{on([]string{"pods", "services"}, []string{"get", "list"})}
	for name, test := range map[string]struct {
		granted     []rbacv1.PolicyRule
		others      []string
		more, fewer []string
		says        []string
	}{
		"the same, otherwise written": {
			[]rbacv1.PolicyRule{on([]string{"services"}, []string{"list", "get"}), on([]string{"pods"}, []string{"get"}), on([]string{"pods"}, []string{"list"})},
			nil, []string{}, []string{}, []string{"what is asked for, no more and no less, to ada, and nothing to anybody else"},
		},
		"more": {
			[]rbacv1.PolicyRule{on([]string{"pods", "services"}, []string{"list", "get", "delete", "create"})},
			nil, []string{"pods: create, delete", "services: create, delete"}, []string{}, []string{"more than is asked for, to ada:", "  pods: create, delete", "  services: create, delete"},
		},
		"less, and to others": {
			[]rbacv1.PolicyRule{on([]string{"pods"}, []string{"get"})},
			[]string{"Group everybody"}, []string{}, []string{"pods: list", "services: get, list"},
			[]string{"less than is asked for, to ada:", "  pods: list", "  services: get, list", "granted to others:", "  Group everybody"},
		},
		"everything": {
			[]rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
			nil, []string{"*.*: *"}, []string{}, []string{"more than is asked for, to ada:", "  *.*: *"},
		},
		"nothing": {nil, nil, []string{}, []string{"pods: get, list", "services: get, list"}, []string{"less than is asked for, to ada:", "  pods: get, list", "  services: get, list"}},
	} {
		effect, err := Compare(t.Context(), "ada", asked, test.granted, test.others)
		require.NoError(t, err, name)
		assert.Equal(t, test.more, effect.More, name)
		assert.Equal(t, test.fewer, effect.Fewer, name)
		assert.Equal(t, test.says, effect.Lines(), name)
	}
}

// TestEffectIsBounded: a learner's rule can stand for millions.
func TestEffectIsBounded(t *testing.T) {
	var words []string
	for i := range 190 {
		words = append(words, fmt.Sprintf("w%d", i))
	}
	began := time.Now()
	effect, err := Compare(t.Context(), "ada", nil, []rbacv1.PolicyRule{{APIGroups: words, Resources: words, Verbs: words}}, words)
	require.NoError(t, err)
	assert.Len(t, effect.More, maxEffect+1)
	assert.Len(t, effect.Others, maxEffect+1)
	assert.Equal(t, "…", effect.More[maxEffect])
	assert.Less(t, time.Since(began), 10*time.Second)
}
