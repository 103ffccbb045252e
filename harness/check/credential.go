package check

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"

	"rolecall/harness/next"
)

// ServiceAccountPath is where Kubernetes puts token, ca.crt and namespace.
const ServiceAccountPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// A Credential is what a caller finds at ServiceAccountPath.
type Credential int

// The credentials that there are.
const (
	Genuine      Credential = iota // what Kubernetes mounts
	ForeignCA                      // the genuine token, another authority's ca.crt
	ForeignToken                   // the genuine ca.crt, a token that nobody issued
	Usual                          // nothing of ours: what Kubernetes adds by itself, if the account lets it
	Replaceable                    // the genuine ca.crt, and as its token what ReplaceToken puts there
)

// The annotations of a caller in which parts of its credential travel.
const (
	tokenAnnotation = "rolecall.local/token"
	caAnnotation    = "rolecall.local/ca"
	askedAnnotation = "rolecall.local/asked" // when a token was put there
)

// mounted is how many seconds a mounted token is asked for; a kubelet asks for
// as many where a pod names no volume of its own.
const mounted = 3607

// credential is the volume with token, ca.crt and namespace for a caller of
// that name. Parts that Kubernetes does not mount travel in annotations, so that
// no other object is needed; a program cannot see those.
func (e *Env) credential(ctx context.Context, c Credential, namespace, account, pod string) (corev1.Volume, map[string]string, error) {
	token := corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(mounted))}}
	ca := corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
		LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
		Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
	}}
	var annotations map[string]string
	switch c {
	case ForeignCA:
		forged, err := e.forgeCA(ctx, namespace)
		if err != nil {
			return corev1.Volume{}, nil, err
		}
		annotations = map[string]string{caAnnotation: forged}
		ca = fromField("ca.crt", "metadata.annotations['"+caAnnotation+"']")
	case ForeignToken:
		forged, err := e.forgeToken(ctx, namespace, account, pod)
		if err != nil {
			return corev1.Volume{}, nil, err
		}
		annotations = map[string]string{tokenAnnotation: forged}
		token = fromField("token", "metadata.annotations['"+tokenAnnotation+"']")
	case Replaceable:
		annotations = map[string]string{tokenAnnotation: ""}
		token = fromField("token", "metadata.annotations['"+tokenAnnotation+"']")
	}
	sources := []corev1.VolumeProjection{token, ca, fromField("namespace", "metadata.namespace")}
	return corev1.Volume{Name: "credential", VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o644))},
	}}, annotations, nil
}

// replaced bounds the wait until a caller's volume holds what the pod's
// annotation says. A kubelet looks at the volumes of a pod that has changed at
// once, and then takes some tenths of a second.
const replaced = 20 * time.Second

// asksAgain is after how long a kubelet is told of a token once more: it can lose
// a change that comes while it still works on the one before.
const asksAgain = 3 * time.Second

// ReplaceToken puts a token in the place of a Replaceable caller's, while a
// program runs in it or before, and returns when it is there. The node does it
// as it does when it renews one: a rename replaces all of the volume's files.
// A program that lets nothing else run in its pod is at fault (*Failure).
func (e *Env) ReplaceToken(ctx context.Context, c *Caller, t *Issued) error {
	if err := e.annotate(ctx, c, t); err != nil {
		return err
	}
	if err := e.await(ctx, c); err != nil {
		return err
	}
	asked := time.Now()
	mounts := func(ctx context.Context) (bool, error) {
		mounted, _, status, err := e.Exec(ctx, c.Namespace, c.Name, callerName, nil, "cat", ServiceAccountPath+"/token")
		if err == nil && status != 0 {
			err = fmt.Errorf("reading it ended with exit status %d", status)
		}
		return err == nil && string(mounted) == t.text, err
	}
	there, err := Eventually(ctx, replaced, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		there, _ := mounts(ctx)
		if !there && time.Since(asked) > asksAgain {
			asked = time.Now()
			return false, e.annotate(ctx, c, t)
		}
		return there, nil
	})
	if err != nil || there {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, insideTime) // the bound may have cut the last look off
	defer cancel()
	switch there, err := mounts(bounded); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return e.notRunBeside(ctx, err)
	case there:
		return nil
	}
	return next.Errorf("make status", "replacing the token of our pod %s: the old one is still mounted after %s", c.Name, replaced)
}

// annotate writes a token into the annotation from which a Replaceable caller has
// its own, and changes the pod also where it is there already.
func (e *Env) annotate(ctx context.Context, c *Caller, t *Issued) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		tokenAnnotation: t.text, askedAnnotation: time.Now().Format(time.RFC3339Nano),
	}}})
	if err == nil {
		_, err = e.Client.CoreV1().Pods(c.Namespace).Patch(ctx, c.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil {
		return next.Errorf("make status", "replacing the token of our pod %s: %w", c.Name, err)
	}
	return nil
}

// notRunBeside is what it means that nothing of ours runs in a caller beside a
// program: a *Failure, unless another pod of ours runs nothing either, or is as
// slow.
func (e *Env) notRunBeside(ctx context.Context, reason error) error {
	if err := e.controlRuns(ctx, "", "true"); err != nil {
		return errors.Join(err, reason)
	}
	return &Failure{
		Want: "a program that leaves room for another process in its pod",
		Got:  "one beside which nothing can be run",
		Hint: "Start no more processes than you need, and end none but your own.",
	}
}

func fromField(path, field string) corev1.VolumeProjection {
	return corev1.VolumeProjection{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
		Path: path, FieldRef: &corev1.ObjectFieldSelector{FieldPath: field},
	}}}}
}

// forgeCA is the certificate of an authority that signed nothing in the
// cluster. Only its signature tells it from the genuine one: names, dates,
// extensions and kind of key are the same.
func (e *Env) forgeCA(ctx context.Context, namespace string) (string, error) {
	published, err := e.Client.CoreV1().ConfigMaps(namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return "", next.Errorf("make status", "asking for the cluster's ca.crt: %w", err)
	}
	forged, err := forgeCertificate([]byte(published.Data["ca.crt"]))
	if err != nil {
		return "", next.Errorf("make status", "forging the cluster's ca.crt: %w", err)
	}
	return string(forged), nil
}

func forgeCertificate(genuine []byte) ([]byte, error) {
	block, _ := pem.Decode(genuine)
	if block == nil {
		return nil, errors.New("it holds no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := keyLike(certificate.PublicKey)
	if err != nil {
		return nil, err
	}
	certificate.PublicKey = key.Public()
	if certificate.SerialNumber, err = numberLike(certificate.SerialNumber); err != nil {
		return nil, err
	}
	ownID := bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId)
	certificate.SubjectKeyId = make([]byte, len(certificate.SubjectKeyId))
	if _, err := rand.Read(certificate.SubjectKeyId); err != nil {
		return nil, err
	}
	if ownID {
		certificate.AuthorityKeyId = certificate.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), err
}

// keyLike is a new key of the same kind and size.
func keyLike(public any) (crypto.Signer, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return rsa.GenerateKey(rand.Reader, public.N.BitLen())
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(public.Curve, rand.Reader)
	case ed25519.PublicKey:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("a key of type %T", public)
}

// numberLike is a random number of as many bits.
func numberLike(n *big.Int) (*big.Int, error) {
	if n.BitLen() < 2 {
		return n, nil
	}
	top := new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()-1))
	low, err := rand.Int(rand.Reader, top)
	return top.Or(top, low), err
}

// forgeToken is a token that the API server would have made for a pod, with
// another signature.
func (e *Env) forgeToken(ctx context.Context, namespace, account, pod string) (string, error) {
	issued, err := e.Client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(mounted))},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", next.Errorf("make status", "asking for a token to forge: %w", err)
	}
	nodes, err := e.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return "", next.Errorf("make status", "asking for the cluster's nodes: %w", err)
	}
	forged, err := resign(issued.Status.Token, func(claims, kubernetes map[string]any) {
		kubernetes["pod"] = map[string]any{"name": pod, "uid": uuid.NewUUID()}
		for _, node := range nodes.Items {
			kubernetes["node"] = map[string]any{"name": node.Name, "uid": node.UID}
		}
		if issued, ok := claims["iat"].(json.Number); ok { // for a pod the API server extends it
			begin, _ := issued.Int64()
			kubernetes["warnafter"], claims["exp"] = claims["exp"], begin+extended
		}
	})
	if err != nil {
		return "", next.Errorf("make status", "forging a token: %w", err)
	}
	return forged, nil
}

// extended is for how many seconds the API server makes a token that is asked
// for mounted seconds and bound to a pod
// (serviceaccount.ExpirationExtensionSeconds in Kubernetes).
const extended = 365 * 24 * 60 * 60

// resign is a token with other claims and a random signature of the same
// length.
func resign(token string, change func(claims, kubernetes map[string]any)) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("it has %d parts", len(parts))
	}
	encoding := base64.RawURLEncoding
	text, err := encoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // as written
	if err := decoder.Decode(&claims); err != nil {
		return "", err
	}
	kubernetes, _ := claims["kubernetes.io"].(map[string]any)
	if kubernetes == nil {
		return "", errors.New("it says nothing about Kubernetes")
	}
	change(claims, kubernetes)
	if text, err = json.Marshal(claims); err != nil {
		return "", err
	}
	signature := make([]byte, encoding.DecodedLen(len(parts[2])))
	if _, err := rand.Read(signature); err != nil {
		return "", err
	}
	return parts[0] + "." + encoding.EncodeToString(text) + "." + encoding.EncodeToString(signature), nil
}
