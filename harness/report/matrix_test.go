package report

import (
	"testing"

	"github.com/stretchr/testify/assert"
	rbacv1 "k8s.io/api/rbac/v1"

	"rolecall/harness/check"
)

func rule(verbs, groups, resources []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: groups, Resources: resources}
}

var (
	core = []string{""}
	view = check.Grant{Role: "ClusterRole view", Rules: []rbacv1.PolicyRule{rule([]string{"get", "list"}, core, []string{"pods", "services"})}}
	both = check.Grant{Binding: "RoleBinding a", Role: "ClusterRole view", Rules: view.Rules}
)

// drawn is a matrix as text: a line for each row.
func drawn(m matrixView) (lines []string) {
	for _, part := range m.Parts {
		for _, row := range part.Rows {
			line := string(part.State) + " " + row.Group
			for _, on := range row.Things {
				line += " " + on
			}
			line += " "
			for i, cell := range row.Cells {
				if cell.State != never {
					line += " " + m.Verbs[i] + cell.Mark
				}
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestMatrix(t *testing.T) {
	basic := check.Grant{Binding: "ClusterRoleBinding system:basic-user", Role: "ClusterRole system:basic-user", Rules: []rbacv1.PolicyRule{
		rule([]string{"create"}, []string{"authorization.k8s.io"}, []string{"selfsubjectaccessreviews"}), {Verbs: []string{"get"}, NonResourceURLs: []string{"/api"}}}}
	given := func(rules ...rbacv1.PolicyRule) []check.Grant {
		return []check.Grant{{Binding: "RoleBinding b", Role: "Role own", Rules: rules}}
	}
	for name, test := range map[string]struct {
		before, after []check.Grant
		rows, sum     []string
	}{
		"all of it": {nil, []check.Grant{both},
			[]string{"added core pods services  get✓ list✓"},
			[]string{"All 4 permissions of ClusterRole view are allowed, and nothing beyond it"}},
		"what was there before": {[]check.Grant{basic}, []check.Grant{basic, both},
			[]string{"added core pods services  get✓ list✓", "kept authorization.k8s.io selfsubjectaccessreviews  create•", "kept URLs /api  get•"},
			[]string{"All 4 permissions of ClusterRole view are allowed, and nothing beyond it"}},
		"less": {nil, given(rule([]string{"get", "list"}, core, []string{"services"})),
			[]string{"missing core pods  get○ list○", "added core services  get✓ list✓"},
			[]string{"2 of the 4 permissions of ClusterRole view are missing"}},
		"more": {nil, []check.Grant{both, given(rule([]string{"delete"}, core, []string{"pods", "secrets"}))[0]},
			[]string{"beyond core pods  get✓ list✓ delete✗", "beyond core secrets  delete✗", "added core services  get✓ list✓"},
			[]string{"2 permissions beyond ClusterRole view", "All of ClusterRole view is allowed, too"}},
		"everything": {nil, given(rule([]string{"*"}, []string{"*"}, []string{"*"})),
			[]string{
				"beyond all groups *  get✗ list✗ watch✗ create✗ update✗ patch✗ delete✗ deletecollection✗ *✗",
				"beyond core pods services  get✓ list✓ watch✗ create✗ update✗ patch✗ delete✗ deletecollection✗ *✗"},
			[]string{"23 permissions beyond ClusterRole view, and by an asterisk all that is not listed", "All of ClusterRole view is allowed, too"}},
		"by name, and another verb": {nil, []check.Grant{both, given(rbacv1.PolicyRule{Verbs: []string{"use"}, APIGroups: core, Resources: []string{"pods"}, ResourceNames: []string{"a"}})[0]},
			[]string{"beyond core pods a  use✗", "added core pods services  get✓ list✓"},
			[]string{"1 permission beyond ClusterRole view", "All of ClusterRole view is allowed, too"}},
		"nothing": {nil, nil,
			[]string{"missing core pods services  get○ list○"},
			[]string{"4 of the 4 permissions of ClusterRole view are missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := matrixOf(check.Access{Subject: "u", Namespace: "default", Limit: view, Before: test.before, After: test.after}, "id")
			assert.Equal(t, test.rows, drawn(m))
			var sum []string
			for _, s := range m.Sum {
				sum = append(sum, s.Text)
			}
			assert.Equal(t, test.sum, sum)
			assert.Empty(t, m.Cut)
		})
	}
}

// TestAMatrixSaysNothingOfWhatWasLeftOut: what is not known to be allowed may be.
func TestAMatrixSaysNothingOfWhatWasLeftOut(t *testing.T) {
	long := check.Grant{Binding: "RoleBinding b", Role: "Role own", Cut: 7, Rules: []rbacv1.PolicyRule{rule([]string{"get", "delete"}, core, []string{"pods"})}}
	m := matrixOf(check.Access{Limit: view, After: []check.Grant{long}}, "id")
	assert.Equal(t, []string{"beyond core pods  get✓ delete✗"}, drawn(m))
	assert.Equal(t, []countView{{beyond, "At least 1 permission beyond ClusterRole view"}}, m.Sum)
	assert.Equal(t, "7 rules", m.Cut)
	long.Rules = nil
	assert.Empty(t, matrixOf(check.Access{Limit: view, After: []check.Grant{long}}, "id").Sum)
}

func TestAMatrixOfOnePermission(t *testing.T) {
	one := check.Grant{Role: "Role own", Rules: []rbacv1.PolicyRule{rule([]string{"get"}, core, []string{"pods"})}}
	assert.Equal(t, []countView{{missing, "The 1 permission of Role own is missing"}}, matrixOf(check.Access{Limit: one}, "id").Sum)
	assert.Equal(t, []countView{{added, "The 1 permission of Role own is allowed, and nothing beyond it"}}, matrixOf(check.Access{Limit: one, After: []check.Grant{one}}, "id").Sum)
}

func TestMatrixTellsWhatGrantsACell(t *testing.T) {
	a := check.Access{Subject: "system:serviceaccount:default:default", Namespace: "default", Limit: view, After: []check.Grant{
		both, {Binding: "RoleBinding b", Role: "Role own", Rules: []rbacv1.PolicyRule{rule([]string{"get", "create"}, core, []string{"pods/exec", "pods"})}}}}
	rows := map[string]rowView{}
	for _, part := range matrixOf(a, "id").Parts {
		for _, row := range part.Rows {
			rows[row.Things[0]] = row
		}
	}
	assert.Equal(t, []grantView{{"get, list", "RoleBinding a", "ClusterRole view"}, {"get, create", "RoleBinding b", "Role own"}}, rows["pods"].Grants)
	assert.Equal(t, []grantView{{"", "RoleBinding b", "Role own"}}, rows["pods/exec"].Grants)
	assert.Equal(t, []askView{
		{"kubectl auth can-i get pods --subresource exec --namespace default --as system:serviceaccount:default:default", "yes"},
		{"kubectl auth can-i create pods --subresource exec --namespace default --as system:serviceaccount:default:default", "yes"},
	}, rows["pods/exec"].Asks)
}

// TestNoCommandThatKubectlCannotAsk: it would say no, whatever the rules are.
func TestNoCommandThatKubectlCannotAsk(t *testing.T) {
	old := check.Grant{Binding: "RoleBinding b", Role: "Role own", Rules: []rbacv1.PolicyRule{rule([]string{"get"}, []string{"extensions"}, []string{"deployments"})}}
	row := matrixOf(check.Access{After: []check.Grant{old}}, "id").Parts[0].Rows[0]
	assert.NotEmpty(t, row.Grants)
	assert.Empty(t, row.Asks)
}

func TestCommandsAreSafeToPaste(t *testing.T) {
	a := check.Access{Subject: "a b", Namespace: "default"}
	for want, on := range map[string]thing{
		"kubectl auth can-i get deployments.apps --namespace default --as 'a b'":   {group: "apps", resource: "deployments"},
		"kubectl auth can-i get configmaps/x --namespace default --as 'a b'":       {resource: "configmaps", name: "x"},
		"kubectl auth can-i get '*' --namespace default --as 'a b'":                {group: "*", resource: "*"},
		"kubectl auth can-i get /healthz --as 'a b'":                               {url: "/healthz"},
		"kubectl auth can-i get '$(rm -rf ~); x y' --namespace default --as 'a b'": {resource: "$(rm -rf ~);\nx y"},
	} {
		assert.Equal(t, want, on.canI("get", a))
	}
}
