package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// Role is lab 6: an account of its own, and what it may do in two namespaces.
func Role() harness.Lab {
	return harness.Lab{
		Slug: "role", Number: 6, Title: "Writing a role of your own",
		Files:   []check.File{{Name: "role.yaml", Form: check.ManifestFile}},
		Objects: []schema.GroupVersionKind{serviceAccountKind, roleKind, roleBindingKind},
		Setup:   roleSetup,
		Checks: []harness.Check{
			{ID: "role.manifest", Points: 3, Run: roleManifest,
				Desc: "role.yaml holds only ServiceAccounts, Roles and RoleBindings, in default and rolecall-elsewhere"},
			{ID: "role.account", Points: 3, Run: roleAccount, Needs: []string{"role.manifest"},
				Desc: "it makes the service account reporter in default, and no grant names an account that is not there"},
			{ID: "role.allows", Points: 4, Run: roleAllows, Needs: []string{"role.account"},
				Desc: "each verb that is asked for is allowed to reporter, in the namespace that it is asked for in"},
			{ID: "role.no-more", Points: 4, Run: roleNoMore, Needs: []string{"role.allows"},
				Desc: "nothing else is allowed to it, in any namespace or cluster-wide"},
			{ID: "role.only-reporter", Points: 3, Run: roleOnlyReporter, Needs: []string{"role.allows"},
				Desc: "no other account, group or user gained anything"},
			{ID: "role.works", Points: 3, Run: roleWorks, Needs: []string{"role.allows"},
				Desc: "a pod that runs as reporter makes these calls, and each is allowed by a RoleBinding of yours"},
		},
	}
}

const roleFile = "lab-6/role.yaml"

// roleSetup starts a pod whose logs there are to read.
func roleSetup(ctx context.Context, e *check.Env) error {
	pod, err := e.StartCaller(ctx, e.Namespaces.Of(Elsewhere), "default", check.Genuine)
	e.Keep(pod)
	return err
}

// reporter is the account that lab 6 asks for, and what it is to be allowed.
func reporter(e *check.Env) asked {
	core := func(verbs, resources []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Verbs: verbs, Resources: resources}
	}
	return asked{
		who: check.ServiceAccount(e.Namespaces.Of(Home), "reporter"), as: rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: "reporter", Namespace: "default"},
		in: []area{
			{namespace: e.Namespaces.Of(Home), rules: []rbacv1.PolicyRule{core([]string{"get", "list", "watch"}, []string{"configmaps"})}},
			{namespace: e.Namespaces.Of(Elsewhere), rules: []rbacv1.PolicyRule{core([]string{"get"}, []string{"pods", "pods/log"})}},
		},
	}
}

func roleManifest(ctx context.Context, e *check.Env) error {
	names := home(e)
	for _, n := range Scene().Namespaces {
		if n.Role == Elsewhere {
			names[n.Name] = e.Namespaces.Of(Elsewhere)
		}
	}
	objects, err := readGrants(ctx, e, check.Wanted{
		File: roleFile, Want: "ServiceAccounts, Roles and RoleBindings, in default and rolecall-elsewhere",
		Kinds: []schema.GroupVersionKind{serviceAccountKind, roleKind, roleBindingKind}, Namespaces: names,
		Hint: "A Role and a RoleBinding reach as far as their namespace, which is all that is asked for: no other kind is needed.",
	})
	if err != nil {
		return err
	}
	e.Keep(objects)
	return nil
}

// roleAccount reads the objects, before anything is stored: the API server takes a
// binding for an account that nobody has made.
func roleAccount(ctx context.Context, e *check.Env) error {
	const want = "the service account reporter in default, and grants only to accounts that exist"
	objects, who := check.Need[[]*unstructured.Unstructured](e, "role.manifest"), reporter(e).who
	made := map[string]bool{}
	for _, object := range objects {
		if object.GroupVersionKind() == serviceAccountKind {
			made[check.ServiceAccount(object.GetNamespace(), object.GetName()).User] = true
		}
	}
	if !made[who.User] {
		failure := &check.Failure{Want: want, Got: "no ServiceAccount reporter in default", Hint: "Add an object of kind ServiceAccount: its name and its namespace are all that it needs."}
		for _, object := range objects {
			if object.GroupVersionKind() == serviceAccountKind {
				failure.Got = fmt.Sprintf("ServiceAccount %s in %s", check.Printable(object.GetName(), 100), object.GetNamespace())
				failure.Hint, failure.Position = "Compare its name and its namespace with what is asked for.", e.Position(object, "metadata.name")
				break
			}
		}
		return e.Submission.Explain(failure, roleFile)
	}
	for _, object := range objects {
		if object.GroupVersionKind() != roleBindingKind {
			continue
		}
		subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
		for i, subject := range subjects {
			namespace, name, isAccount := accountOf(subject, object.GetNamespace())
			if !isAccount || made[check.ServiceAccount(namespace, name).User] {
				continue
			}
			there, err := accountExists(ctx, e, namespace, name)
			if err != nil {
				return err
			}
			if !there {
				hint := "A subject's namespace is where the account lives, whatever the binding's own; without one it is the binding's."
				if name != "reporter" {
					hint = "Compare the name with the account's: the API server takes a binding for an account that nobody has made."
				}
				return &check.Failure{
					Want: want, Got: check.Printable(fmt.Sprintf("RoleBinding %s names ServiceAccount %s in %s, and there is none", object.GetName(), name, namespace), 300),
					Hint: hint, Position: e.Position(object, fmt.Sprintf("subjects[%d]", i)),
				}
			}
		}
	}
	e.Keep(objects)
	return nil
}

// accountOf is the service account that a subject of a binding in a namespace
// names, if it names one.
func accountOf(subject any, in string) (namespace, name string, isAccount bool) {
	fields, _ := subject.(map[string]any)
	name, _ = fields["name"].(string)
	if namespace, _ = fields["namespace"].(string); namespace == "" {
		namespace = in
	}
	return namespace, name, fields["kind"] == rbacv1.ServiceAccountKind
}

// accountExists reports whether there is a service account of that name.
func accountExists(ctx context.Context, e *check.Env, namespace, name string) (bool, error) {
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return false, nil // there can be none
	}
	_, err := e.Client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return false, next.Errorf("make status", "looking for a service account: %w", err)
	}
	return err == nil, nil
}

func roleAllows(ctx context.Context, e *check.Env) error {
	made, err := reporter(e).give(ctx, e, check.Need[[]*unstructured.Unstructured](e, "role.account"))
	if err != nil {
		return err
	}
	e.Keep(made)
	return e.Submission.Explain(made.allows(ctx, e), roleFile)
}

func roleNoMore(ctx context.Context, e *check.Env) error {
	return check.Need[*made](e, "role.allows").noMore(ctx, e)
}

func roleOnlyReporter(_ context.Context, e *check.Env) error {
	return check.Need[*made](e, "role.allows").reachesOnly(e)
}

// reads are the calls that lab 6 has a pod make; %[1]s is the other namespace and
// %[2]s a pod there. A watch lasts until it has told something.
const reads = `
at=` + check.ServiceAccountPath + `
here=$(cat $at/namespace) || exit
api=https://kubernetes.default.svc/api/v1/namespaces
set -- -sS --no-buffer --max-time 10 --cacert $at/ca.crt -H "Authorization: Bearer $(cat $at/token)"
curl "$@" $api/$here/configmaps/kube-root-ca.crt >/dev/null
curl "$@" $api/$here/configmaps >/dev/null
curl "$@" "$api/$here/configmaps?watch=true" >/tmp/watch &
until [ -s /tmp/watch ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
kill $!
wait
curl "$@" $api/%[1]s/pods/%[2]s >/dev/null
curl "$@" $api/%[1]s/pods/%[2]s/log >/dev/null
`

func roleWorks(ctx context.Context, e *check.Env) error {
	made, there := check.Need[*made](e, "role.allows"), check.Need[*check.Caller](e, check.Setup)
	pod, err := e.StartCaller(ctx, e.Namespaces.Of(Home), "reporter", check.Usual)
	if err != nil {
		return err
	}
	run, err := witnessed(ctx, e, pod, check.Script("calls.sh", fmt.Sprintf(reads, there.Namespace, there.Name)))
	if err != nil {
		return err
	}
	for _, area := range made.in {
		for _, p := range check.Permissions(area.rules) {
			if !slices.ContainsFunc(run.seen.By(made.who.User), func(r check.Request) bool {
				return r.Verb == p.Verb && r.Resource == p.Resource && r.Namespace == area.namespace && made.allowed(r)
			}) {
				return made.kept(e, fmt.Sprintf("%s in %s, by a pod that runs as reporter, allowed by a RoleBinding of yours", p, area.namespace), run)
			}
		}
	}
	return nil
}

// kept is why a pod that runs as the account cannot do what the account may: the
// account keeps its token from pods. Nothing else is the learner's doing.
func (m *made) kept(e *check.Env, want string, run *call) error {
	for _, object := range m.objects {
		mounted, says, _ := unstructured.NestedBool(object.Object, "automountServiceAccountToken")
		if object.GroupVersionKind() == serviceAccountKind && object.GetName() == "reporter" && says && !mounted {
			return &check.Failure{Want: want, Got: "no token in the pod: " + run.seen.Summary(), Position: e.Position(object, "automountServiceAccountToken"),
				Hint: "Kubernetes gives a pod a token of its account unless the pod or the account says otherwise; here the account does."}
		}
	}
	return next.Errorf("make status", "making the lab's own calls: wanted %s; found %s; %s", want, run.seen.Summary(), run.run.Describe())
}

// allowed reports whether the API server allowed a request by a RoleBinding of the
// learner's.
func (m *made) allowed(r check.Request) bool {
	return r.Decision == "allow" && slices.ContainsFunc(m.grants, func(g grant) bool {
		return strings.HasPrefix(r.Reason, fmt.Sprintf("RBAC: allowed by RoleBinding %q", g.binding.Name+"/"+g.binding.Namespace))
	})
}
