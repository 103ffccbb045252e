package check

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// signer answers an approval as the cluster's signer does.
func signer(t *testing.T, status certificatesv1.CertificateSigningRequestStatus) *Env {
	t.Helper()
	e, f := newEnv(t, nil)
	require.NoError(t, f.client.Tracker().Add(&certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: "r"}}))
	f.client.PrependReactor("update", "certificatesigningrequests", func(action clienttesting.Action) (bool, runtime.Object, error) {
		request := action.(clienttesting.UpdateAction).GetObject().(*certificatesv1.CertificateSigningRequest)
		assert.Equal(t, "approval", action.GetSubresource())
		assert.Equal(t, certificatesv1.CertificateApproved, request.Status.Conditions[0].Type)
		request.Status = status
		return false, nil, nil
	})
	return e
}

func TestApprove(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	of := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	pem := []byte(inPEM(t, "CERTIFICATE", der, err))
	e := signer(t, certificatesv1.CertificateSigningRequestStatus{Certificate: pem})
	certificate, err := e.Approve(t.Context(), "r")
	require.NoError(t, err)
	assert.Equal(t, pem, certificate.PEM)
	assert.Regexp(t, "^X509SHA256=[0-9a-f]{64}$", certificate.CredentialID())

	e = signer(t, certificatesv1.CertificateSigningRequestStatus{Conditions: []certificatesv1.CertificateSigningRequestCondition{
		{Type: certificatesv1.CertificateFailed, Status: corev1.ConditionTrue, Message: "invalid usage"},
	}})
	_, err = e.Approve(t.Context(), "r")
	refusal, refused := AsRefusal(err)
	require.True(t, refused, "%v", err)
	assert.Equal(t, "invalid usage", refusal.Message)

	e = signer(t, certificatesv1.CertificateSigningRequestStatus{Certificate: []byte("what?")})
	_, err = e.Approve(t.Context(), "r")
	assert.ErrorContains(t, err, "it is no PEM")
}

// TestOnlyAnOwnerChangesTheCluster: what has no namespace is neither created nor
// looked for in a cluster that others use.
func TestOnlyAnOwnerChangesTheCluster(t *testing.T) {
	e, f := newEnv(t, nil)
	e.Shared, e.Kinds = true, append(e.Kinds, clusterRoleKind)
	_, err := e.Create(t.Context(), objectOf(clusterRoleKind, "a"))
	assert.ErrorIs(t, err, ErrOwner)
	_, err = e.Approve(t.Context(), "r")
	assert.ErrorIs(t, err, ErrOwner)
	require.NoError(t, e.SweepOthers(t.Context()))
	for _, action := range f.dynamic.Actions() {
		assert.NotEqual(t, "clusterroles", action.GetResource().Resource)
	}
}
