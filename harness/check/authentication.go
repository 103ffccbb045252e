package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	encodingjson "encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserver "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"rolecall/harness/cluster"
	"rolecall/manifests"
)

// Authentication is an AuthenticationConfiguration of a learner's that knows one
// issuer and may be given to the API server.
type Authentication struct {
	Audiences []string

	config apiserver.AuthenticationConfiguration
	written
}

// Bounds of a configuration. The API server evaluates its expressions without a
// bound of its own.
const (
	maxConfiguration = 64 << 10 // bytes
	maxRules         = 8        // of each kind
	maxExpression    = 256      // bytes
)

// Authentication reads a learner's AuthenticationConfiguration, strictly and by
// the API server's own types. It must trust this issuer and no other: what would
// make the API server call somebody else, or change what it knows of others, is
// the learner's failure and not tried.
func (e *Env) Authentication(file string, issuer *Issuer) (*Authentication, error) {
	const want = "one AuthenticationConfiguration that trusts the lab's issuer"
	documents, err := e.documents(file)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, e.Submission.Explain(&Failure{Want: want, Got: fmt.Sprintf("%d documents", len(documents)), Hint: "Keep one; a line --- starts another.", Position: Position{File: file}}, file)
	}
	a := &Authentication{written: written{file, documents[0].top}}
	fail := func(got, hint string, paths ...string) error {
		return e.Submission.Explain(&Failure{Want: want, Got: Printable(got, 400), Hint: hint, Position: a.at(paths...)}, file)
	}
	text, err := encodingjson.Marshal(documents[0].value)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(text) > maxConfiguration {
		return nil, fail(fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("A configuration for one issuer is much shorter than %d bytes.", maxConfiguration))
	}
	unknown, err := json.UnmarshalStrict(text, &a.config)
	if err == nil {
		err = errors.Join(unknown...)
	}
	switch group, _, _ := strings.Cut(a.config.APIVersion, "/"); {
	case a.config.Kind != "AuthenticationConfiguration":
		return nil, fail("kind: "+a.config.Kind, "Write kind: AuthenticationConfiguration.", "kind")
	case group != apiserver.GroupName:
		return nil, fail("apiVersion: "+a.config.APIVersion, "Write apiVersion: "+apiserver.SchemeGroupVersion.String()+".", "apiVersion")
	case err != nil:
		said := metav1.Status{Message: strings.Split(err.Error(), "\n")[0]}
		failure, _ := AsFailure(fail(words(said), "Compare the field's name (capitals count), its place and its indentation with the documentation."))
		failure.Position = a.blamed(said)
		return nil, failure
	}
	if got, hint, path := a.refusal(issuer); got != "" {
		return nil, fail(got, hint, path, strings.TrimSuffix(path, "."+path[strings.LastIndex(path, ".")+1:]), "jwt")
	}
	a.Audiences = a.config.JWT[0].Issuer.Audiences
	return a, nil
}

// at is where the first of some fields is that is there.
func (a *Authentication) at(paths ...string) Position {
	for _, path := range paths {
		if found, whole := a.top.down(path, anyNode); whole && path != "" {
			return found.position().in(a.file)
		}
	}
	return Position{File: a.file}
}

// refusal is what keeps a configuration from being given to the API server, what
// to do about it, and which field it is.
func (a *Authentication) refusal(issuer *Issuer) (got, hint, path string) {
	if a.config.Anonymous != nil {
		return "the field anonymous", "Leave it out: whether callers without a credential are known is settled when the API server starts.", "anonymous"
	}
	if n := len(a.config.JWT); n != 1 {
		return fmt.Sprintf("%d issuers under jwt", n), "Write one entry under jwt, for " + issuer.URL + ".", "jwt"
	}
	jwt := a.config.JWT[0]
	switch trusted := jwt.Issuer; {
	case trusted.URL != issuer.URL:
		return fmt.Sprintf("the issuer %q", trusted.URL), "The issuer's URL is " + issuer.URL + "; it is compared with the claim iss of each token, letter by letter.", "jwt[0].issuer.url"
	case trusted.DiscoveryURL != nil && *trusted.DiscoveryURL != issuer.URL+"/.well-known/openid-configuration":
		return "discoveryURL: " + *trusted.DiscoveryURL, "Leave discoveryURL out: rolecall sets it, because where the issuer's documents are depends on the cluster.", "jwt[0].issuer.discoveryURL"
	case trusted.EgressSelectorType != "":
		return "the field egressSelectorType", "Leave it out: this API server has no egress to select.", "jwt[0].issuer.egressSelectorType"
	case trusted.CertificateAuthority == "":
		return "no certificateAuthority, so the authorities that the API server's machine trusts", "Write the issuer's CA certificate under certificateAuthority: as a block (|), all of its lines indented alike.", "jwt[0].issuer.certificateAuthority"
	}
	if err := vouches(jwt.Issuer.CertificateAuthority); err != nil {
		return "a certificateAuthority that does not vouch for the issuer: " + err.Error(), "Copy the issuer's CA certificate whole, from the line BEGIN to the line END, as a block (|).", "jwt[0].issuer.certificateAuthority"
	}
	if many := max(len(jwt.ClaimValidationRules), len(jwt.UserValidationRules), len(jwt.ClaimMappings.Extra)); many > maxRules {
		return fmt.Sprintf("%d rules in one list", many), "Leave out what the lab does not ask for.", "jwt"
	}
	for _, x := range expressions(jwt) {
		if why := untamed(x.text); why != "" {
			return "an expression " + why, "Where claim and prefix say the same, write those.", x.path
		}
	}
	return "", "", ""
}

// vouches reports why certificates do not vouch for the server of the issuer's
// documents.
func vouches(authority string) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority)) {
		return errors.New("it holds no certificate in PEM")
	}
	server, err := tls.X509KeyPair([]byte(manifests.IssuerCertificate), []byte(manifests.IssuerKey))
	if err != nil {
		return fmt.Errorf("reading the issuer's own certificate: %w", err)
	}
	if _, err := server.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: roots}); err != nil {
		return errors.New("its certificate is another authority's")
	}
	return nil
}

type expression struct{ path, text string }

// expressions are all of an entry's.
func expressions(jwt apiserver.JWTAuthenticator) (all []expression) {
	add := func(text, path string, args ...any) {
		if text != "" {
			all = append(all, expression{"jwt[0]." + fmt.Sprintf(path, args...), text})
		}
	}
	for i, rule := range jwt.ClaimValidationRules {
		add(rule.Expression, "claimValidationRules[%d].expression", i)
	}
	for i, rule := range jwt.UserValidationRules {
		add(rule.Expression, "userValidationRules[%d].expression", i)
	}
	for i, extra := range jwt.ClaimMappings.Extra {
		add(extra.ValueExpression, "claimMappings.extra[%d].valueExpression", i)
	}
	add(jwt.ClaimMappings.Username.Expression, "claimMappings.username.expression")
	add(jwt.ClaimMappings.Groups.Expression, "claimMappings.groups.expression")
	add(jwt.ClaimMappings.UID.Expression, "claimMappings.uid.expression")
	return all
}

var (
	calls = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*)\s*\(`)
	// harmless are the functions and macros of CEL whose results are no larger
	// than what they are given; the value says which of them walk through a list.
	harmless = map[string]bool{
		"all": true, "exists": true, "filter": true, "map": true,
		"contains": false, "dyn": false, "endsWith": false, "has": false, "in": false, "orValue": false, "size": false, "startsWith": false, "string": false, "type": false,
	}
)

// untamed says why an expression might keep the API server busy, or "". One loop,
// and nothing that multiplies texts, ends soon whatever it is given.
func untamed(text string) string {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > maxExpression:
		return fmt.Sprintf("of %d characters", len(text))
	case strings.ContainsAny(text, "\n\r\f"):
		return "of several lines"
	}
	loops := 0
	for _, call := range calls.FindAllStringSubmatch(text, -1) {
		loop, known := harmless[call[1]]
		if !known {
			return "with the function " + call[1]
		}
		if loop {
			loops++
		}
	}
	if loops > 1 {
		return fmt.Sprintf("with %d loops", loops)
	}
	return ""
}

// fieldPath is the field that begins a message of the API server's validation.
var fieldPath = regexp.MustCompile(`(?:^|\[|: )(jwt\[0\][A-Za-z0-9.\[\]]*): `)

// Authenticate gives a configuration to the API server, until the end of the lab,
// and returns once it has taken it, which takes Kubernetes ten seconds. The error
// may be a *Refusal.
func (e *Env) Authenticate(ctx context.Context, a *Authentication, issuer *Issuer) error {
	config := a.config
	config.JWT = append([]apiserver.JWTAuthenticator(nil), config.JWT...)
	config.JWT[0].Issuer.DiscoveryURL = &issuer.description
	text, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("writing the API server's configuration: %w", err)
	}
	e.Saw(Evidence{Object: "given to the API server: " + a.file + ", with discoveryURL: " + issuer.description})
	err = e.Authenticator.Authenticate(ctx, string(text))
	var notTaken *cluster.NotTakenError
	if !errors.As(err, &notTaken) {
		return err
	}
	refusal := &Refusal{Message: Printable(notTaken.Reason, 600), Position: Position{File: a.file}}
	if named := fieldPath.FindStringSubmatch(notTaken.Reason); named != nil {
		found, _ := a.top.down(named[1], anyNode)
		refusal.Position = found.position().in(a.file)
	}
	return refusal
}
