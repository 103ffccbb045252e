package check

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/next"
)

// maxToken bounds what may be a token, in bytes; Kubernetes' own have some 1,200.
const maxToken = 16 << 10

// Token is a service account's token, and what it claims of itself. Who made it
// is for the API server to say: see ReviewToken. The text stays in here, so that
// printing a Token shows no token.
type Token struct {
	Issuer    string
	Subject   string
	Audiences []string // none: for the API server alone, as in a Secret's token
	ID        string   // "": it has none
	BoundTo   string   // kind of the object it ends with: Pod, Secret, Node; "": none that it names
	BoundUID  string   // of that object

	issued, expires int64 // seconds since 1970; 0: it does not say
	text            string
}

// ReadToken reads what a token claims. The error says what keeps it from being one.
func ReadToken(text string) (*Token, error) {
	text = strings.TrimSpace(text)
	parts := strings.Split(text, ".")
	switch {
	case text == "":
		return nil, errors.New("it is empty")
	case len(text) > maxToken:
		return nil, fmt.Errorf("it has more than %d bytes", maxToken)
	case len(parts) != 3:
		return nil, fmt.Errorf("it does not consist of three parts with dots between them")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("its second part is not in base64url")
	}
	type object struct {
		UID string `json:"uid"`
	}
	var claims struct {
		Issuer     string   `json:"iss"`
		Subject    string   `json:"sub"`
		Audiences  audience `json:"aud"`
		ID         string   `json:"jti"`
		IssuedAt   int64    `json:"iat"`
		Expires    int64    `json:"exp"`
		Kubernetes struct {
			Pod    *object `json:"pod"`
			Secret *object `json:"secret"`
			Node   *object `json:"node"`
		} `json:"kubernetes.io"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, errors.New("its second part holds no claims as Kubernetes writes them")
	}
	t := &Token{
		Issuer: claims.Issuer, Subject: claims.Subject, Audiences: claims.Audiences, ID: claims.ID,
		issued: claims.IssuedAt, expires: claims.Expires, text: text,
	}
	bound := claims.Kubernetes
	switch { // a pod's names its node, too
	case bound.Pod != nil:
		t.BoundTo, t.BoundUID = "Pod", bound.Pod.UID
	case bound.Secret != nil:
		t.BoundTo, t.BoundUID = "Secret", bound.Secret.UID
	case bound.Node != nil:
		t.BoundTo, t.BoundUID = "Node", bound.Node.UID
	}
	return t, nil
}

// audience is a text or a list of texts (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// Lasts is for how many seconds the token is good from when it was issued, and
// false where it says of no end.
func (t *Token) Lasts() (seconds int64, ends bool) {
	return t.expires - t.issued, t.expires != 0
}

// CredentialID is what the API server calls a credential that is this token
// (Request.CredentialID), "" where the token has no id.
func (t *Token) CredentialID() string {
	if t.ID == "" {
		return ""
	}
	return "JTI=" + t.ID
}

// String is what the token claims, for evidence: never the token itself.
func (t *Token) String() string {
	words := "a token of " + t.Subject
	if len(t.Audiences) > 0 {
		words += " for " + strings.Join(t.Audiences, ", ")
	}
	if seconds, ends := t.Lasts(); ends {
		words += fmt.Sprintf(", good for %d s", seconds)
	} else {
		words += ", without an end"
	}
	if t.BoundTo != "" {
		words += ", bound to a " + t.BoundTo
	}
	return Printable(words, 400)
}

// ReviewToken asks the API server what it makes of a token that is shown to one
// of these audiences, or to itself where none is named.
func (e *Env) ReviewToken(ctx context.Context, t *Token, audiences ...string) (authenticationv1.TokenReviewStatus, error) {
	review, err := e.Client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: t.text, Audiences: audiences},
	}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenReviewStatus{}, next.Errorf("make status", "asking the API server to review a token: %w", err)
	}
	return review.Status, nil
}

// tokenEnds is how many seconds a token of IssueToken lasts.
const tokenEnds = 3600

// Issued is a token that a run asked for. It ends with a Secret of its own, which
// also holds it, with ca.crt and namespace, so that a caller can find it there
// (Mount).
type Issued struct {
	*Token
	Namespace string
	Secret    string
}

// IssueToken asks for a token of a service account that can be revoked. The
// labs that do so have Secrets among what they make.
func (e *Env) IssueToken(ctx context.Context, namespace, account string) (*Issued, error) {
	failed := func(err error) (*Issued, error) {
		return nil, next.Errorf("make status", "issuing a token of %s in %s: %w", account, namespace, err)
	}
	secrets := e.Client.CoreV1().Secrets(namespace)
	secret, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "token-", Labels: e.labels()}}, metav1.CreateOptions{})
	if err != nil {
		return failed(err)
	}
	request, err := e.Client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: new(int64(tokenEnds)),
			BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return failed(err)
	}
	root, err := e.Client.CoreV1().ConfigMaps(namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return failed(err)
	}
	secret.StringData = map[string]string{"token": request.Status.Token, "ca.crt": root.Data["ca.crt"], "namespace": namespace}
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return failed(err)
	}
	token, err := ReadToken(request.Status.Token)
	if err != nil {
		return failed(err)
	}
	return &Issued{token, namespace, secret.Name}, nil
}

// Revoke ends tokens at once, but for what an API server remembers of those that
// it has seen: see TokenRemembered.
func (e *Env) Revoke(ctx context.Context, tokens ...*Issued) error {
	for _, t := range tokens {
		if err := e.Client.CoreV1().Secrets(t.Namespace).Delete(ctx, t.Secret, metav1.DeleteOptions{}); err != nil {
			return next.Errorf("make status", "revoking a token: %w", err)
		}
	}
	return nil
}
