package check

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"

	"rolecall/harness/next"
)

// DocumentKind is the kind of an issuer's documents (manifests/issuer.yaml). A
// lab that starts an issuer makes some.
var DocumentKind = schema.GroupVersionKind{Group: "issuer.rolecall.local", Version: "v1", Kind: "Document"}

const (
	documentsPath = "/apis/issuer.rolecall.local/v1/documents/"
	description   = "openid-configuration"
	publicKeys    = "keys"
	tokenTime     = 10 * time.Minute
)

// Issuer is an OpenID Connect issuer of one run. Its two documents, the
// description and the public keys, are objects in the cluster, which the API
// server reads from itself. The key that it signs with is made for the run and is
// nowhere but here.
type Issuer struct {
	URL string // its name; nothing listens there

	description string // the URL of its description, from the API server
	key         *ecdsa.PrivateKey
	id          string // of the key
}

// StartIssuer makes an issuer of that name. It is gone after the lab, as are the
// objects of the lab.
func (e *Env) StartIssuer(ctx context.Context, url string) (*Issuer, error) {
	if e.Authenticator == nil {
		return nil, ErrOwner
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	public, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, fmt.Errorf("making an issuer's key: %w", err)
	}
	base := "https://" + e.Authenticator.Loopback() + documentsPath
	i := &Issuer{URL: url, description: base + description, key: key, id: string(uuid.NewUUID())}
	half := (len(public) - 1) / 2
	for name, fields := range map[string]map[string]any{
		description: {
			"issuer": url, "jwks_uri": base + publicKeys,
			"response_types_supported": []any{"id_token"}, "subject_types_supported": []any{"public"}, "id_token_signing_alg_values_supported": []any{"ES256"},
		},
		publicKeys: {"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": i.id, "x": encode(public[1 : 1+half]), "y": encode(public[1+half:]),
		}}},
	} {
		if err := e.publish(ctx, name, fields); err != nil {
			return nil, next.Errorf("make reset", "publishing an issuer's documents: %w", err)
		}
	}
	return i, nil
}

// publish stores a document and reads it as the API server will.
func (e *Env) publish(ctx context.Context, name string, fields map[string]any) error {
	document := &unstructured.Unstructured{Object: maps.Clone(fields)}
	document.SetGroupVersionKind(DocumentKind)
	document.SetName(name)
	document.SetLabels(e.labels())
	resource := DocumentKind.GroupVersion().WithResource("documents")
	if _, err := e.Dynamic.Resource(resource).Create(ctx, document, metav1.CreateOptions{}); err != nil {
		return err
	}
	anybody, err := e.clientOf(Identity{})
	if err != nil {
		return err
	}
	return anybody.Discovery().RESTClient().Get().AbsPath(documentsPath + name).Do(ctx).Error()
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an issuer's key: %w", err)
	}
	return key, nil
}

func encode(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

// Token is a token of the issuer's for an audience, with further claims. It is
// good for ten minutes.
func (i *Issuer) Token(audience string, claims map[string]any) (string, error) {
	return i.sign(i.key, audience, claims)
}

// ForgedToken is such a token with another key's signature.
func (i *Issuer) ForgedToken(audience string, claims map[string]any) (string, error) {
	other, err := newKey()
	if err != nil {
		return "", err
	}
	return i.sign(other, audience, claims)
}

// sign makes a token in JWS's compact form (RFC 7515), signed by ES256.
func (i *Issuer) sign(key *ecdsa.PrivateKey, audience string, claims map[string]any) (string, error) {
	now := time.Now()
	all := map[string]any{
		"iss": i.URL, "aud": audience, "jti": string(uuid.NewUUID()),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(tokenTime).Unix(),
	}
	maps.Copy(all, claims)
	var parts [2]string
	for n, part := range []map[string]any{{"alg": "ES256", "typ": "JWT", "kid": i.id}, all} {
		text, err := json.Marshal(part)
		if err != nil {
			return "", fmt.Errorf("signing a token: %w", err)
		}
		parts[n] = encode(text)
	}
	signed := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signature := make([]byte, 64)
	for at, part := range map[int]*big.Int{0: r, 32: s} {
		part.FillBytes(signature[at : at+32])
	}
	return signed + "." + encode(signature), nil
}
