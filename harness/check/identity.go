package check

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rolecall/harness/next"
)

// Identity is how somebody who is not the cluster's administrator calls the API
// server: a client certificate and its key, a bearer token, or neither.
type Identity struct {
	Certificate []byte // PEM
	Key         Key
	Token       string
}

// callTime bounds one call.
const callTime = 10 * time.Second

// callParameter carries the nonce by which the audit log's event of a call is
// found. The API server ignores it.
const callParameter = "rolecall-call"

// List lists a resource of the core group in a namespace, once and as somebody,
// and returns the request as the API server saw it. A refusal is no error.
func (e *Env) List(ctx context.Context, as Identity, resource, namespace string) (Request, error) {
	if err := e.NeedsAudit(); err != nil {
		return Request{}, err
	}
	client, err := e.clientOf(as)
	if err != nil {
		return Request{}, err
	}
	nonce, code := string(uuid.NewUUID()), int32(http.StatusOK)
	seen, err := e.Witness(ctx, func() error {
		bounded, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		err := client.CoreV1().RESTClient().Get().Namespace(namespace).Resource(resource).Param("limit", "1").Param(callParameter, nonce).Do(bounded).Error()
		if answer := apierrors.APIStatus(nil); errors.As(err, &answer) {
			code = answer.Status().Code
			return nil
		}
		return err
	})
	if err != nil {
		return Request{}, next.Errorf("make status", "listing %s as somebody else: %w", resource, err)
	}
	for _, r := range seen {
		if strings.Contains(r.URI, nonce) {
			e.Saw(Evidence{Request: &r})
			return r, nil
		}
	}
	// The log leaves out who the cluster itself is: somebody who is taken for it is asked who he is.
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return Request{}, next.Errorf("make status", "listing %s as somebody else: the audit log does not show it, and asking who that is: %w", resource, err)
	}
	who := review.Status.UserInfo
	r := Request{User: who.Username, Groups: who.Groups, Verb: "list", Resource: resource, Namespace: namespace, Code: code}
	e.Saw(Evidence{Object: "the audit log leaves this out, so the API server was asked: " + r.String()})
	return r, nil
}

// clientOf is a client of the API server that brings this identity and no other.
func (e *Env) clientOf(as Identity) (*kubernetes.Clientset, error) {
	config := rest.AnonymousClientConfig(e.Config)
	config.BearerToken = as.Token
	if as.Key != nil {
		key, err := x509.MarshalPKCS8PrivateKey(as.Key)
		if err != nil {
			return nil, fmt.Errorf("encoding a key: %w", err)
		}
		config.CertData, config.KeyData = as.Certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting as somebody else: %w", err)
	}
	return client, nil
}
