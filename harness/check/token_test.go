package check

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// tokenOf is a token with these claims, and a signature of nobody's.
func tokenOf(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(claims)) + "." + part([]byte("signature"))
}

func TestReadToken(t *testing.T) {
	const year = 365 * 24 * 3600
	for name, test := range map[string]struct {
		claims, says string
		seconds      int64
		ends         bool
	}{
		"a pod's": {
			`{"iss":"https://kubernetes.default.svc.cluster.local","sub":"system:serviceaccount:default:default","aud":["vault"],"jti":"a1","iat":1000,"exp":1600,
			  "kubernetes.io":{"pod":{"name":"p","uid":"u"},"node":{"name":"n","uid":"w"}}}`,
			"a token of system:serviceaccount:default:default for vault, good for 600 s, bound to a Pod", 600, true},
		"a Secret's of 2019": {
			`{"iss":"kubernetes/serviceaccount","sub":"system:serviceaccount:default:robot","kubernetes.io/serviceaccount/secret.name":"robot"}`,
			"a token of system:serviceaccount:default:robot, without an end", 0, false},
		"one audience, bound to a Secret": {
			fmt.Sprintf(`{"sub":"s","aud":"api","iat":1,"exp":%d,"kubernetes.io":{"secret":{"uid":"u"}}}`, 1+year),
			"a token of s for api, good for 31536000 s, bound to a Secret", year, true},
		"bound to a node": {`{"sub":"s","kubernetes.io":{"node":{"uid":"u"}}}`, "a token of s, without an end, bound to a Node", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := ReadToken(" " + tokenOf(test.claims) + "\n")
			require.NoError(t, err)
			assert.Equal(t, test.says, token.String())
			seconds, ends := token.Lasts()
			assert.Equal(t, test.ends, ends)
			if ends {
				assert.Equal(t, test.seconds, seconds)
			}
		})
	}
}

func TestATokenIsNotShown(t *testing.T) {
	text := tokenOf(`{"sub":"s","jti":"a1"}`)
	token, err := ReadToken(text)
	require.NoError(t, err)
	assert.Equal(t, "JTI=a1", token.CredentialID())
	for _, shown := range []string{token.String(), fmt.Sprint(token), fmt.Sprint(&Issued{Token: token})} {
		assert.NotContains(t, shown, strings.Split(text, ".")[1])
	}
}

func TestWhatIsNoToken(t *testing.T) {
	for text, says := range map[string]string{
		"":                                  "it is empty",
		" \n":                               "it is empty",
		"vault":                             "three parts",
		"a.b":                               "three parts",
		"a.!.c":                             "base64url",
		tokenOf("claims"):                   "no claims",
		tokenOf(`{"iat":"yesterday"}`):      "no claims",
		tokenOf(`{"aud":{"is":"a map"}}`):   "no claims",
		strings.Repeat("a", maxToken) + ".": "more than 16384 bytes",
	} {
		_, err := ReadToken(text)
		assert.ErrorContains(t, err, says, "%.20q", text)
	}
}

func TestIssueAndRevoke(t *testing.T) {
	e, f := newEnv(t, nil)
	require.NoError(t, f.client.Tracker().Add(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "kube-root-ca.crt"}, Data: map[string]string{"ca.crt": "authority"},
	}))
	f.client.PrependReactor("create", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		secret := action.(clienttesting.CreateAction).GetObject().(*corev1.Secret)
		secret.Name, secret.UID = secret.GenerateName+"a", "u"
		return false, secret, nil
	})
	f.client.PrependReactor("create", "serviceaccounts", func(action clienttesting.Action) (bool, runtime.Object, error) {
		request := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest)
		assert.Equal(t, "Secret token-a u", request.Spec.BoundObjectRef.Kind+" "+request.Spec.BoundObjectRef.Name+" "+string(request.Spec.BoundObjectRef.UID))
		request.Status.Token = tokenOf(`{"sub":"s","jti":"a1","kubernetes.io":{"secret":{"uid":"u"}}}`)
		return true, request, nil
	})
	token, err := e.IssueToken(t.Context(), "home", "default")
	require.NoError(t, err)
	assert.Equal(t, "JTI=a1", token.CredentialID())
	secret, err := e.Client.CoreV1().Secrets("home").Get(t.Context(), token.Secret, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, e.Run, secret.Labels[RunLabel], "a sweep finds it")
	assert.Equal(t, map[string]string{"token": token.text, "ca.crt": "authority", "namespace": "home"}, secret.StringData)

	require.NoError(t, e.Revoke(t.Context(), token))
	_, err = e.Client.CoreV1().Secrets("home").Get(context.Background(), token.Secret, metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
}

func TestWithToken(t *testing.T) {
	token, err := ReadToken(tokenOf(`{"jti":"a1"}`))
	require.NoError(t, err)
	legacy, err := ReadToken(tokenOf(`{}`))
	require.NoError(t, err)
	seen := Requests{{CredentialID: "JTI=a1"}, {CredentialID: "JTI=b2"}, {}}
	assert.Len(t, seen.WithToken(token), 1)
	assert.Empty(t, seen.WithToken(legacy), "one without an id is no other without one")
	assert.Len(t, Requests{{PodUID: "u"}, {}}.OfPod("u"), 1)
}

func TestMost(t *testing.T) {
	seen := Requests{}
	for _, at := range []string{"12:00:00.5Z", "12:00:00Z", "12:00:01.9Z", "12:00:02.1Z", "12:00:09Z"} {
		seen = append(seen, Request{Time: "2026-11-26T" + at})
	}
	assert.Equal(t, 3, seen.Most(2*time.Second))
	assert.Equal(t, 5, seen.Most(time.Minute))
	assert.Equal(t, 1, seen.Most(0))
	assert.Zero(t, Requests{}.Most(time.Second))
}
