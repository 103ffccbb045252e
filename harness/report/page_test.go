package report

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	rbacv1 "k8s.io/api/rbac/v1"

	"rolecall/harness"
	"rolecall/harness/check"
)

// fixed are results of real runs, each with its golden page.
var fixed = []string{"lab-3-failed", "lab-4-passed", "lab-4-edit"}

func read(t *testing.T, name string) *harness.Result {
	t.Helper()
	r, err := Read(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	return r
}

func together(t *testing.T, results ...*harness.Result) string {
	t.Helper()
	page, err := Together(results...)
	require.NoError(t, err)
	_, err = html.Parse(bytes.NewReader(page))
	require.NoError(t, err)
	return string(page)
}

func TestPages(t *testing.T) {
	for _, name := range fixed {
		golden(t, name+".html", []byte(together(t, read(t, name))))
	}
	golden(t, "hostile.html", []byte(together(t, hostileAccess(hostile(attacks[:13]...)))))
}

// TestThePageIsMadeOfTheResultsAlone: nothing of the clock, of the order of a map
// or of another page is in it.
func TestThePageIsMadeOfTheResultsAlone(t *testing.T) {
	var results []*harness.Result
	for _, name := range fixed {
		results = append(results, read(t, name))
	}
	before, err := Native(results[1])
	require.NoError(t, err)
	page := together(t, results...)
	for range 20 {
		require.Equal(t, page, together(t, results...))
	}
	after, err := Native(results[1])
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "a result that was shown is as it was")
	for _, lab := range []string{"lab-1", "lab-2", "lab-3"} {
		assert.Equal(t, 1, strings.Count(page, `<section id="`+lab+`"`), lab)
	}
	assert.Less(t, len(page), 300<<10)
}

// TestIdsAreUnique: what leads to a place of the page leads to one, which is there.
func TestIdsAreUnique(t *testing.T) {
	page := together(t, read(t, "lab-3-failed"), read(t, "lab-4-edit"), read(t, "lab-4-edit"), hostileAccess(hostile(attacks...)))
	ids := map[string]int{}
	var links []string
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				ids[a.Val]++
			case "href":
				links = append(links, a.Val)
			}
			assert.False(t, strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src", a.Key)
		}
		assert.NotEqual(t, "script", n.Data)
	}
	for id, n := range ids {
		assert.Equal(t, 1, n, id)
	}
	require.Greater(t, len(links), 20)
	for _, link := range links {
		target, within := strings.CutPrefix(link, "#")
		assert.True(t, link == "data:," || within && ids[target] == 1, link)
	}
}

// hostileAccess adds to a result what a learner can write into rules, names and
// requests.
func hostileAccess(r *harness.Result) *harness.Result {
	var words []string
	for i, attack := range attacks {
		words = append(words, fmt.Sprint(i, attack))
	}
	rules := []rbacv1.PolicyRule{{Verbs: words, APIGroups: words[:2], Resources: words, ResourceNames: words[:3]}, {Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}, {Verbs: words, NonResourceURLs: words}}
	access := check.Access{Subject: attacks[0], Namespace: attacks[1], Limit: check.Grant{Role: attacks[0]}, After: []check.Grant{{Binding: attacks[0], Role: attacks[1], Rules: rules}}}
	for i, attack := range attacks[:12] {
		c := &r.Labs[0].Checks[i]
		c.Evidence = append(c.Evidence, check.Evidence{Request: &check.Request{
			User: attack, Verb: attack, Resource: attack, Namespace: attack, Name: attack, URI: attack, Code: 403, Decision: attack, Reason: attack, PodName: attack, Time: attack, AuditID: fmt.Sprint(i),
		}})
	}
	r.Labs[0].Checks[0].Evidence = append(r.Labs[0].Checks[0].Evidence, access.Evidence())
	r.Labs[0].Deeds = []check.Deed{{Request: check.Request{Verb: "create", Resource: attacks[0], Name: attacks[1], AuditID: "deed"}, Learners: true}}
	return r
}

// TestHostileTextStaysText: no element, link or name of a learner's is in the
// page, and no character that moves what is around it.
func TestHostileTextStaysText(t *testing.T) {
	page := together(t, hostileAccess(hostile(attacks...)))
	for _, bad := range []string{"<script", "<img", "<h1>forged", "\x1b", "\x00", "\u202e", "\u2028", "\xff"} {
		assert.NotContains(t, page, bad)
	}
	assert.Contains(t, page, "&lt;script&gt;alert(1)&lt;/script&gt;")
	assert.Less(t, len(page), 400<<10)
}

// TestAPageIsBounded: whatever is in a results.json, whoever wrote it.
func TestAPageIsBounded(t *testing.T) {
	long := strings.Repeat("x", 10<<10)
	var rules []rbacv1.PolicyRule
	for i := range 20_000 {
		rules = append(rules, rbacv1.PolicyRule{Verbs: []string{fmt.Sprint("v", i%40)}, APIGroups: []string{""}, Resources: []string{fmt.Sprint("r", i)}})
	}
	grants := []check.Grant{{Binding: "RoleBinding b", Role: "Role r", Rules: rules}}
	c := harness.CheckResult{ID: long, Desc: long, Outcome: harness.Fail, Want: long, Got: long, Hint: long, MaxPoints: 1,
		Evidence: []check.Evidence{check.Access{Subject: long, Namespace: long, Limit: check.Grant{Role: long}, After: grants}.Evidence()}}
	for i := range 5_000 {
		c.Evidence = append(c.Evidence, check.Evidence{Request: &check.Request{User: long, URI: long, Reason: long, AuditID: fmt.Sprint(i)}})
	}
	lab := harness.LabResult{Slug: "s", Number: 1, Title: long, Outcome: harness.Fail, Checks: []harness.CheckResult{c}}
	for i := range 5_000 {
		lab.Deeds = append(lab.Deeds, check.Deed{Request: check.Request{Name: long, AuditID: fmt.Sprint("d", i)}})
	}
	began := time.Now()
	page := together(t, &harness.Result{Submission: long, Cluster: harness.ClusterFacts{Provider: "kind"}, Labs: []harness.LabResult{lab}})
	assert.Less(t, len(page), 300<<10, "one lab, with all that a learner can do")
	assert.Less(t, time.Since(began), 5*time.Second)
	assert.Contains(t, page, "more are in results.json")
	assert.Contains(t, page, "Not shown: ")
}

func TestTimelineIsInTheOrderOfArrival(t *testing.T) {
	request := func(id, at string) check.Request {
		return check.Request{User: "u", Verb: "list", Resource: "services", AuditID: id, Code: 403, Time: "2026-01-02T03:04:0" + at + "Z"}
	}
	first, second, third := request("a", "5"), request("b", "6.5"), request("c", "7.25")
	lab := harness.LabResult{
		Deeds: []check.Deed{{Request: second}},
		Checks: []harness.CheckResult{
			{ID: "s.one", Outcome: harness.Pass, Evidence: []check.Evidence{{Request: &third}, {Request: &first}}},
			{ID: "s.two", Outcome: harness.Fail, Evidence: []check.Evidence{{Object: "o"}, {Request: &first}, {Request: &second}}},
		},
	}
	timeline := timelineOf(lab, "lab-1")
	var told []string
	for _, m := range timeline.Moments {
		line := fmt.Sprint(m.Number, " ", m.Offset, " ", m.Ours)
		for _, d := range m.Decides {
			line += " " + d.Text
		}
		told = append(told, line)
	}
	assert.Equal(t, []string{"1 0.000 s false s.one s.two", "2 1.500 s true s.two", "3 2.250 s false s.one"}, told)
	assert.Equal(t, []refView{{Anchor: "lab-1-request-1", Text: "1"}, {Anchor: "lab-1-request-3", Text: "3"}}, timeline.decided(0))
	assert.Empty(t, timelineOf(harness.LabResult{}, "lab-1").Moments)
}

func TestCredentialsAreTold(t *testing.T) {
	for want, r := range map[string]check.Request{
		"no credential": {User: "system:anonymous", Code: 403},
		"a credential that the API server does not accept": {Code: 401},
		"the token of pod caller-x":                        {User: "system:serviceaccount:default:default", PodName: "caller-x", Code: 200},
		"X509SHA256=1":                                     {User: "bob", CredentialID: "X509SHA256=1", Code: 200},
		"a credential that is bound to no pod":             {User: "system:serviceaccount:default:default", Code: 200},
	} {
		assert.Equal(t, want, credential(r))
	}
	assert.Equal(t, "forbidden: no rule allows it", decision(check.Request{Decision: "forbid", Code: 403}))
	assert.Equal(t, "RBAC: allowed by x", decision(check.Request{Decision: "allow", Reason: "RBAC: allowed by x"}))
	assert.Equal(t, "not asked, because the caller is not known", decision(check.Request{Code: 401}))
}
