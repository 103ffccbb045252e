package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// credential is the volume with token, ca.crt and namespace for one of a
// caller's containers. Forged parts travel in annotations, so that no other
// object is needed; a program cannot see those.
func credential(container, subject string) (corev1.Volume, map[string]string, error) {
	token := corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(3607))}}
	ca := corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
		LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
		Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
	}}
	var annotations map[string]string
	var err error
	switch container {
	case ForeignCA:
		var forged string
		forged, err = forgeCA()
		annotations = map[string]string{"rolecall.local/ca": forged}
		ca = fromField("ca.crt", "metadata.annotations['rolecall.local/ca']")
	case ForeignToken:
		var forged string
		forged, err = forgeToken(subject)
		annotations = map[string]string{"rolecall.local/token": forged}
		token = fromField("token", "metadata.annotations['rolecall.local/token']")
	}
	if err != nil {
		return corev1.Volume{}, nil, fmt.Errorf("forging a credential for %s: %w", container, err)
	}
	sources := []corev1.VolumeProjection{token, ca, fromField("namespace", "metadata.namespace")}
	return corev1.Volume{Name: container, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o644))},
	}}, annotations, nil
}

func fromField(path, field string) corev1.VolumeProjection {
	return corev1.VolumeProjection{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
		Path: path, FieldRef: &corev1.ObjectFieldSelector{FieldPath: field},
	}}}}
}

// forgeCA makes an authority that signed nothing in the cluster. It carries
// the genuine one's name, so that only the signature gives it away.
func forgeCA() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	now := time.Now()
	certificate := &x509.Certificate{
		SerialNumber:          big.NewInt(0),
		Subject:               pkix.Name{CommonName: "kubernetes"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), err
}

// forgeToken makes a token of the right shape that no API server accepts: its
// signature is made with a key of this moment.
func forgeToken(subject string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	now := time.Now().Unix()
	header, _ := json.Marshal(map[string]string{"alg": "ES256", "kid": "rolecall", "typ": "JWT"})
	claims, _ := json.Marshal(map[string]any{
		"iss": "https://kubernetes.default.svc.cluster.local",
		"aud": []string{"https://kubernetes.default.svc.cluster.local"},
		"sub": subject,
		"iat": now, "nbf": now, "exp": now + 3600,
	})
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(header) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}
