package check

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/next"
)

// ErrOwner is why a check that changes the cluster itself, beyond the scene's
// namespaces, cannot run.
var ErrOwner = next.Errorf("use CLUSTER=kind or CLUSTER=embedded", "changing the cluster itself: it is somebody else's, and only its owner may do that")

// signs bounds the wait for a certificate.
const signs = 20 * time.Second

// Certificate is one that the cluster's authority issued.
type Certificate struct {
	PEM []byte
	*x509.Certificate
}

// CredentialID is what the audit log calls the certificate.
func (c Certificate) CredentialID() string { return fmt.Sprintf("X509SHA256=%x", sha256.Sum256(c.Raw)) }

// Approve approves a stored CertificateSigningRequest, and returns the certificate
// that its signer issues. The error may be a *Refusal: the signer's.
func (e *Env) Approve(ctx context.Context, name string) (*Certificate, error) {
	if e.Shared {
		return nil, ErrOwner
	}
	requests := e.Client.CertificatesV1().CertificateSigningRequests()
	request, err := requests.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		request.Status.Conditions = append(request.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
			Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Rolecall", Message: "approved for a lab",
		})
		_, err = requests.UpdateApproval(ctx, name, request, metav1.UpdateOptions{})
	}
	if err != nil {
		return nil, next.Errorf("make status", "approving the CertificateSigningRequest: %w", err)
	}
	var issued []byte
	signed, err := Eventually(ctx, signs, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		request, err := requests.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range request.Status.Conditions {
			if c.Type == certificatesv1.CertificateFailed {
				return false, &Refusal{Message: Printable(c.Message, 300)}
			}
		}
		issued = request.Status.Certificate
		return len(issued) > 0, nil
	})
	if refusal, refused := AsRefusal(err); refused {
		return nil, refusal
	}
	if err == nil && !signed {
		err = fmt.Errorf("there is none after %s", signs)
	}
	if err != nil {
		return nil, next.Errorf("make status", "waiting for the signer's certificate: %w", err)
	}
	return readCertificate(issued)
}

func readCertificate(text []byte) (*Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, next.Errorf("make status", "reading the signer's certificate: %w", errors.New("it is no PEM"))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, next.Errorf("make status", "reading the signer's certificate: %w", err)
	}
	return &Certificate{text, certificate}, nil
}
