package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

// OpenID is lab 12: users whom somebody else vouches for.
func OpenID() harness.Lab {
	return harness.Lab{
		Slug: "openid", Number: 12, Title: "Trusting users from somewhere else",
		Files:   []check.File{{Name: "authentication.yaml", Form: check.ManifestFile}, {Name: "rolebinding.yaml", Form: check.ManifestFile}},
		Objects: []schema.GroupVersionKind{roleKind, roleBindingKind},
		Makes:   []schema.GroupVersionKind{check.DocumentKind},
		Setup:   openidSetup,
		Checks: []harness.Check{
			{ID: "openid.manifest", Points: 4, Run: openidManifest,
				Desc: "known kinds and fields; the API server takes the configuration, which takes it ten seconds"},
			{ID: "openid.known", Points: 4, Run: openidKnown, Needs: []string{"openid.manifest"},
				Desc: "a student is known as oidc: and the name, with groups prefixed alike; a token that another key signed is answered 401"},
			{ID: "openid.audience", Points: 3, Run: openidAudience, Needs: []string{"openid.known"},
				Desc: "a token for another audience is answered 401"},
			{ID: "openid.prefix", Points: 3, Run: openidPrefix, Needs: []string{"openid.known"},
				Desc: "a token for kubernetes-admin, or with the group system:masters, gains nothing by it"},
			{ID: "openid.allowed", Points: 3, Run: openidAllowed, Needs: []string{"openid.manifest", "openid.known"},
				Desc: "a student lists services, by your RoleBinding to view; a guest of the same issuer is answered 403"},
			{ID: "openid.others", Points: 3, Run: openidOthers, Needs: []string{"openid.allowed"},
				Desc: "service accounts, certificates and anonymous callers are known, or refused, as before"},
		},
	}
}

const (
	openidConfiguration = "lab-12/authentication.yaml"
	openidBinding       = "lab-12/rolebinding.yaml"
	openidIssuer        = "https://issuer.rolecall.local"
	openidAudienceName  = "rolecall"
	openidPrefixText    = "oidc:"
)

// person is somebody whom the issuer knows.
type person struct {
	name   string
	groups []string
}

var (
	student  = person{"ada", []string{"students", "first-year"}}
	another  = person{"grace", []string{"students"}}
	guest    = person{"eve", []string{"guests"}}
	students = rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: openidPrefixText + "students"}
)

// claims are what the issuer says of somebody, more than a configuration needs.
func (p person) claims() map[string]any {
	return map[string]any{"sub": p.name, "groups": p.groups, "name": p.name + " of the school", "email": p.name + "@school.example", "email_verified": true}
}

// subject is how the API server is to know the person.
func (p person) subject() check.Subject {
	who := check.Subject{User: openidPrefixText + p.name}
	for _, group := range p.groups {
		who.Groups = append(who.Groups, openidPrefixText+group)
	}
	who.Groups = append(who.Groups, "system:authenticated")
	return who
}

func openidSetup(ctx context.Context, e *check.Env) error {
	issuer, err := e.StartIssuer(ctx, openidIssuer)
	e.Keep(issuer)
	return err
}

// openidFiles are the learner's files, and the issuer that they are about.
type openidFiles struct {
	issuer    *check.Issuer
	audiences []string
	bindings  []*unstructured.Unstructured
}

func openidManifest(ctx context.Context, e *check.Env) error {
	issuer := check.Need[*check.Issuer](e, check.Setup)
	configuration, err := e.Authentication(openidConfiguration, issuer)
	if err != nil {
		return err
	}
	bindings, err := readGrants(ctx, e, check.Wanted{
		File: openidBinding, Want: "Roles and RoleBindings of rbac.authorization.k8s.io/v1, in the namespace default",
		Kinds: []schema.GroupVersionKind{roleKind, roleBindingKind}, Namespaces: home(e), Hint: "A RoleBinding is enough: it may refer to the ClusterRole view, and its grant ends at the namespace's edge.",
	})
	if err != nil {
		return err
	}
	err = e.Authenticate(ctx, configuration, issuer)
	if refusal, refused := check.AsRefusal(err); refused {
		return e.Submission.Explain(&check.Failure{
			Want: "an AuthenticationConfiguration that the API server takes", Got: refusal.Message,
			Hint: "The message is the API server's; it names the field first.", Position: refusal.Position,
		}, openidConfiguration)
	}
	if err != nil {
		return err
	}
	e.Saw(check.Evidence{Object: "the API server's metrics say that it has taken the configuration"})
	e.Keep(openidFiles{issuer, configuration.Audiences, bindings})
	return nil
}

// listAs lists services as somebody with a token of the issuer's.
func listAs(ctx context.Context, e *check.Env, token string, err error) (check.Request, error) {
	if err != nil {
		return check.Request{}, next.Errorf("report it with this message", "making a token: %w", err)
	}
	return e.List(ctx, check.Identity{Token: token}, "services", e.Namespaces.Of(Home))
}

// configurationFails is a failure of the learner's configuration.
func configurationFails(e *check.Env, want, got, hint string) error {
	return e.Submission.Explain(&check.Failure{Want: want, Got: check.Printable(got, 400), Hint: hint, Position: check.Position{File: openidConfiguration}}, openidConfiguration)
}

func openidKnown(ctx context.Context, e *check.Env) error {
	files, who := check.Need[openidFiles](e, "openid.manifest"), student.subject()
	e.Keep(files)
	token, err := files.issuer.Token(openidAudienceName, student.claims())
	seen, err := listAs(ctx, e, token, err)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("a token for the audience %s, of the subject %s with the groups %s, is seen as %s in %s", openidAudienceName, student.name, list(student.groups), who.User, list(who.Groups))
	groups := slices.Sorted(slices.Values(seen.Groups))
	switch {
	case seen.Code == 401:
		return configurationFails(e, want, "401: the API server does not know its bearer", "Compare audiences with the claim aud, and the rules that you added with the token's other claims.")
	case seen.User != who.User:
		return configurationFails(e, want, "the user "+seen.User, "The name is in the claim sub, and the prefix "+openidPrefixText+" goes in front of it: both are set under claimMappings.username.")
	case !slices.Equal(groups, slices.Sorted(slices.Values(who.Groups))):
		return configurationFails(e, want, "the groups "+list(groups), "The groups are in the claim groups; set it, and the prefix "+openidPrefixText+", under claimMappings.groups.")
	}
	token, err = files.issuer.ForgedToken(openidAudienceName, student.claims())
	forged, err := listAs(ctx, e, token, err)
	if err == nil && forged.Code != 401 {
		err = next.Errorf("report it with this message", "showing a forged token: the API server answered %d", forged.Code)
	}
	return err
}

// list is groups in a sentence, in order.
func list(groups []string) string { return strings.Join(slices.Sorted(slices.Values(groups)), ", ") }

func openidAudience(ctx context.Context, e *check.Env) error {
	files := check.Need[openidFiles](e, "openid.known")
	for _, other := range append([]string{"another-cluster"}, files.audiences...) {
		if other == openidAudienceName {
			continue
		}
		token, err := files.issuer.Token(other, student.claims())
		seen, err := listAs(ctx, e, token, err)
		if err != nil {
			return err
		}
		if seen.Code != 401 {
			return configurationFails(e, "a token for the audience "+check.Printable(other, 60)+" is answered 401", fmt.Sprintf("%d, as %s", seen.Code, seen.User),
				"List one audience under audiences, "+openidAudienceName+": a token that was made for somebody else is none for this cluster.")
		}
	}
	return nil
}

func openidPrefix(ctx context.Context, e *check.Env) error {
	files := check.Need[openidFiles](e, "openid.known")
	for _, impostor := range []person{{"kubernetes-admin", []string{"students"}}, {"mallory", []string{"system:masters"}}, {"system:serviceaccount:kube-system:default", []string{"system:nodes"}}} {
		token, err := files.issuer.Token(openidAudienceName, impostor.claims())
		seen, err := listAs(ctx, e, token, err)
		if err != nil {
			return err
		}
		who := impostor.subject()
		foreign := func(group string) bool { return !slices.Contains(who.Groups, group) }
		if seen.Code != 401 && (seen.Code != 403 || seen.User != who.User || slices.ContainsFunc(seen.Groups, foreign)) {
			return configurationFails(e, fmt.Sprintf("a token of the subject %s with the groups %s is nobody in particular: %s in %s", impostor.name, list(impostor.groups), who.User, list(who.Groups)),
				fmt.Sprintf("%d, as %s in %s", seen.Code, seen.User, list(seen.Groups)), "Let the prefix "+openidPrefixText+" stand in front of every name and every group, whatever it begins with.")
		}
	}
	return nil
}

func openidAllowed(ctx context.Context, e *check.Env) error {
	files := check.Need[openidFiles](e, "openid.manifest")
	view, err := e.RulesOf(ctx, "view")
	if err != nil {
		return err
	}
	made, err := asked{who: another.subject(), as: students, in: []area{{e.Namespaces.Of(Home), view, "view"}}}.give(ctx, e, files.bindings)
	if err != nil {
		return err
	}
	if err := made.allows(ctx, e); err != nil {
		return e.Submission.Explain(err, openidBinding)
	}
	if err := made.noMore(ctx, e); err != nil {
		return err
	}
	token, err := files.issuer.Token(openidAudienceName, another.claims())
	seen, err := listAs(ctx, e, token, err)
	if err != nil {
		return err
	}
	if seen.Code != 200 || !slices.Contains(seen.Groups, students.Name) {
		return next.Errorf("make status", "calling as %s after the grant, which the authorizer knows: the API server saw %s (%s)", made.who.User, seen, seen.Reason)
	}
	token, err = files.issuer.Token(openidAudienceName, guest.claims())
	refused, err := listAs(ctx, e, token, err)
	if err != nil {
		return err
	}
	if refused.Code != 403 {
		return e.Submission.Explain(&check.Failure{
			Want: fmt.Sprintf("a guest of the same issuer, %s in %s, is answered 403", guest.subject().User, list(guest.groups)),
			Got:  fmt.Sprintf("%d: %s", refused.Code, refused.Reason), Hint: "Bind the group " + students.Name + " alone: system:authenticated holds everybody whom the API server knows.",
			Position: check.Position{File: openidBinding},
		}, openidBinding)
	}
	e.Keep(made)
	return nil
}

// openidOthers asks as everybody else, by the ways in which they are known.
func openidOthers(ctx context.Context, e *check.Env) error {
	home := e.Namespaces.Of(Home)
	issued, err := e.Client.CoreV1().ServiceAccounts(home).CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return next.Errorf("make status", "asking for a token of the service account default: %w", err)
	}
	for _, other := range []struct {
		as   check.Identity
		user string
		code int32
	}{
		{check.Identity{Token: issued.Status.Token}, account(e), 403},
		{check.Identity{}, "system:anonymous", 403},
		{check.Identity{Token: "not-a-token"}, "", 401},
	} {
		seen, err := e.List(ctx, other.as, "services", home)
		if err != nil {
			return err
		}
		if seen.User == other.user && seen.Code == other.code {
			continue
		}
		return e.Submission.Explain(&check.Failure{
			Want: fmt.Sprintf("%s is answered %d, as before", cmp.Or(other.user, "a caller with a token that nobody issued"), other.code), Got: seen.String(),
			Hint: "Bind the group " + students.Name + " and nobody else.", Position: check.Position{File: openidBinding},
		}, openidBinding)
	}
	self, err := check.Self(ctx, e.Client)
	if err == nil {
		e.Saw(check.Evidence{Object: "with its certificate the API server knows rolecall as " + self})
	}
	return err
}
