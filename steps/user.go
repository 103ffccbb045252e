package steps

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rolecall/harness"
	"rolecall/harness/check"
	"rolecall/harness/next"
)

var requestKind = certificatesv1.SchemeGroupVersion.WithKind("CertificateSigningRequest")

// User is lab 11: a user, whom a certificate names.
func User() harness.Lab {
	return harness.Lab{
		Slug: "user", Number: 11, Title: "Giving Bob a certificate",
		Files:   []check.File{{Name: "bob.key", Form: check.KeyFile}, {Name: "csr.yaml", Form: check.ManifestFile}, {Name: "role.yaml", Form: check.ManifestFile}},
		Objects: []schema.GroupVersionKind{requestKind, roleKind, roleBindingKind},
		Checks: []harness.Check{
			{ID: "user.manifest", Points: 3, Run: userManifest,
				Desc: "csr.yaml is one CertificateSigningRequest, role.yaml is Role and RoleBinding only; known fields, no duplicate key"},
			{ID: "user.request", Points: 4, Run: userRequest, Needs: []string{"user.manifest"},
				Desc: "it asks for a client certificate for bob, of no organization, for a day at most; approved, the cluster's authority issues it"},
			{ID: "user.key", Points: 3, Run: userKey, Needs: []string{"user.request"},
				Desc: "bob.key is the key that the request was made with"},
			{ID: "user.allowed", Points: 4, Run: userAllowed, Needs: []string{"user.manifest", "user.request", "user.key"},
				Desc: "with that certificate, list pods in default is answered 403 before your grant and 200 after it, by your RoleBinding"},
			{ID: "user.no-more", Points: 3, Run: userNoMore, Needs: []string{"user.allowed"},
				Desc: "bob may list pods in default, and nothing beyond what every authenticated user may"},
			{ID: "user.only-bob", Points: 3, Run: userOnlyBob, Needs: []string{"user.allowed"},
				Desc: "nobody else gained anything"},
		},
	}
}

const (
	userKeyFile     = "lab-11/bob.key"
	userRequestFile = "lab-11/csr.yaml"
	userRoleFile    = "lab-11/role.yaml"
	longest         = 24 * 60 * 60 // seconds that bob's certificate may last
)

var (
	bob      = check.Subject{User: "bob", Groups: []string{"system:authenticated"}}
	bobUser  = rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "bob"}
	bobsRule = []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}}}
)

// userFiles are the objects as the learner wrote them.
type userFiles struct {
	request *unstructured.Unstructured
	roles   []*unstructured.Unstructured
}

func userManifest(ctx context.Context, e *check.Env) error {
	requests, err := e.Objects(ctx, check.Wanted{
		File: userRequestFile, Want: "exactly one object, a CertificateSigningRequest of certificates.k8s.io/v1", One: true,
		Kinds: []schema.GroupVersionKind{requestKind}, Namespaces: home(e), Hint: "Write kind: CertificateSigningRequest; the grant goes into role.yaml.",
	})
	if err != nil {
		return err
	}
	roles, err := readGrants(ctx, e, check.Wanted{
		File: userRoleFile, Want: "Roles and RoleBindings of rbac.authorization.k8s.io/v1, in the namespace default",
		Kinds: []schema.GroupVersionKind{roleKind, roleBindingKind}, Namespaces: home(e), Hint: "A Role and a RoleBinding are enough: what they grant ends at the namespace's edge.",
	})
	if err != nil {
		return err
	}
	e.Keep(userFiles{requests[0], roles})
	return understood(ctx, e, requests[0])
}

// badBase64 is what Go says of bytes that are not in base64. It names no field.
const badBase64 = "illegal base64"

// understood asks the API server whether it can read a request, and does not mind
// what else it has against it.
func understood(ctx context.Context, e *check.Env, request *unstructured.Unstructured) error {
	err := e.DryRun(ctx, request)
	refusal, refused := check.AsRefusal(err)
	switch {
	case refused && !refusal.Unread:
		return nil
	case !refused:
		return err
	case strings.Contains(refusal.Message, badBase64):
		return &check.Failure{Want: "objects that the API server understands", Got: refusal.Message, Position: e.Position(request, "spec.request"),
			Hint: "Write the request's PEM in base64 on one line, without blanks: base64 -w0 bob.csr, or base64 bob.csr | tr -d '\\n'."}
	}
	return &check.Failure{Want: "objects that the API server understands", Got: refusal.Message, Hint: bindingHint(refusal.Message), Position: refusal.Position}
}

func userRequest(ctx context.Context, e *check.Env) error {
	object := check.Need[userFiles](e, "user.manifest").request
	var request certificatesv1.CertificateSigningRequest
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &request); err != nil {
		return next.Errorf("report it with this message", "reading the CertificateSigningRequest: %w", err)
	}
	asked, wrong := askedFor(request.Spec)
	fail := func(field, got, hint string) error {
		return e.Submission.Explain(&check.Failure{
			Want: "a request for a client certificate for bob, of no organization, that lasts a day at most",
			Got:  check.Printable(got, 300), Hint: hint, Position: e.Position(object, field),
		}, userRequestFile)
	}
	if wrong != nil {
		return fail(wrong.field, wrong.got, wrong.hint)
	}
	stored, err := e.Create(ctx, object)
	if refusal, refused := check.AsRefusal(err); refused {
		return fail("spec", "the API server refused it: "+refusal.Message, "The message is the API server's; it names what it does not accept.")
	}
	if err != nil {
		return err
	}
	issued, err := e.Approve(ctx, stored.GetName())
	if refusal, refused := check.AsRefusal(err); refused {
		return fail("spec.usages", "the signer refused it: "+refusal.Message, "Leave that usage out: client auth is enough, with digital signature and key encipherment if you like.")
	}
	if err != nil {
		return err
	}
	e.Saw(check.Evidence{Object: fmt.Sprintf("the cluster's authority issued a certificate for CN=%s to the key of the request", issued.Subject.CommonName)})
	e.Keep(bobsCertificate{issued, asked.PublicKey})
	return nil
}

// bobsCertificate is what the cluster's authority made of a request, and the
// public key in it.
type bobsCertificate struct {
	*check.Certificate
	public crypto.PublicKey
}

// flaw is what is wrong with a field.
type flaw struct{ field, got, hint string }

// askedFor is what a request asks for, or the first thing that is wrong with it.
func askedFor(spec certificatesv1.CertificateSigningRequestSpec) (*x509.CertificateRequest, *flaw) {
	switch lasts := spec.ExpirationSeconds; {
	case spec.SignerName == "":
		return nil, &flaw{"spec", "no spec.signerName", "Say under signerName who is to sign: kubernetes.io/kube-apiserver-client signs for the API server's clients."}
	case spec.SignerName != certificatesv1.KubeAPIServerClientSignerName:
		return nil, &flaw{"spec.signerName", "the signer " + spec.SignerName, "The signer of certificates for the API server's clients is kubernetes.io/kube-apiserver-client."}
	case !slices.Contains(spec.Usages, certificatesv1.UsageClientAuth):
		return nil, &flaw{"spec.usages", fmt.Sprintf("usages %q, without client auth", spec.Usages), "Add client auth to usages: it makes the certificate one that a client can show."}
	case lasts == nil:
		return nil, &flaw{"spec", "no spec.expirationSeconds, so the signer's own, which is a year", "Write expirationSeconds, 86400 at most; a certificate cannot be taken back, so let it be short."}
	case *lasts > longest:
		return nil, &flaw{"spec.expirationSeconds", fmt.Sprintf("expirationSeconds: %d", *lasts), fmt.Sprintf("A day has %d seconds.", longest)}
	}
	at := func(got, hint string) (*x509.CertificateRequest, *flaw) {
		return nil, &flaw{"spec.request", got, hint}
	}
	block, _ := pem.Decode(spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return at("spec.request that is not a certificate request in PEM", "It is the file that openssl req -new wrote, all of it, in base64: its lines BEGIN and END, too.")
	}
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = asked.CheckSignature()
	}
	switch {
	case err != nil:
		return at("a certificate request that cannot be read: "+err.Error(), "Make it anew with openssl req -new.")
	case asked.Subject.CommonName != bob.User:
		return at(fmt.Sprintf("a request for CN=%q", asked.Subject.CommonName), "The common name is the user's name. Make the request anew with the subject /CN=bob.")
	case len(asked.Subject.Organization) > 0:
		return at(fmt.Sprintf("a request with O=%q", asked.Subject.Organization), "Each organization is a group that the user would be in. Make the request anew with the subject /CN=bob alone.")
	}
	return asked, nil
}

func userKey(_ context.Context, e *check.Env) error {
	key, err := e.PrivateKey(userKeyFile)
	if err != nil {
		return err
	}
	public, comparable := key.Public().(interface{ Equal(x crypto.PublicKey) bool })
	if !comparable || !public.Equal(check.Need[bobsCertificate](e, "user.request").public) {
		return &check.Failure{
			Want: "the private key that belongs to the request in csr.yaml", Got: "another key",
			Hint:     "Make the request with this key: openssl req -new -key bob.key; then write it into csr.yaml again.",
			Position: check.Position{File: userKeyFile},
		}
	}
	e.Keep(key)
	return nil
}

func userAllowed(ctx context.Context, e *check.Env) error {
	certificate, home := check.Need[bobsCertificate](e, "user.request"), e.Namespaces.Of(Home)
	as := check.Identity{Certificate: certificate.PEM, Key: check.Need[check.Key](e, "user.key")}
	before, err := e.List(ctx, as, "pods", home)
	if err == nil && (before.Code != 403 || before.User != bob.User || before.CredentialID != certificate.CredentialID()) {
		err = next.Errorf("make reset", "calling as %s before the grant: wanted a refusal, with the credential %s, and the API server saw %s, with %s", bob.User, certificate.CredentialID(), before, before.CredentialID)
	}
	if err != nil {
		return err
	}
	made, err := asked{who: bob, as: bobUser, in: []area{{namespace: home, rules: bobsRule}}}.give(ctx, e, check.Need[userFiles](e, "user.manifest").roles)
	if err != nil {
		return err
	}
	if err := made.allows(ctx, e); err != nil {
		return e.Submission.Explain(err, userRoleFile)
	}
	after, err := e.List(ctx, as, "pods", home)
	if err != nil {
		return err
	}
	if after.CredentialID != certificate.CredentialID() || after.Code != 200 || !strings.Contains(after.Reason, "allowed by RoleBinding") {
		return next.Errorf("make status", "calling as %s after the grant, which the authorizer knows: the API server saw %s (%s)", bob.User, after, after.Reason)
	}
	e.Keep(made)
	return nil
}

func userNoMore(ctx context.Context, e *check.Env) error {
	return check.Need[*made](e, "user.allowed").noMore(ctx, e)
}

func userOnlyBob(_ context.Context, e *check.Env) error {
	return check.Need[*made](e, "user.allowed").reachesOnly(e)
}
