package check

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority is a certificate as kubeadm makes it, with that key.
func authority(t *testing.T, key crypto.Signer, serial *big.Int) (*x509.Certificate, []byte) {
	t.Helper()
	now := time.Now().Truncate(time.Second).UTC()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "kubernetes"}, DNSNames: []string{"kubernetes"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestAForgedAuthorityLooksGenuine: a program must not be able to tell it but
// by verifying the server.
func TestAForgedAuthorityLooksGenuine(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		key      crypto.Signer
		serial   *big.Int
		variance int // of the length of a signature, in bytes of PEM
	}{
		"RSA, as kubeadm's": {small, big.NewInt(0x7766554433221100), 0},
		"a serial of zero":  {small, big.NewInt(0), 0},
		"ECDSA":             {curve, big.NewInt(0x00ff00ff00ff00), 8},
		"Ed25519":           {edwards, big.NewInt(1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			genuine, text := authority(t, test.key, test.serial)
			forged, err := forgeCertificate(text)
			require.NoError(t, err)
			again, err := forgeCertificate(text)
			require.NoError(t, err)
			assert.NotEqual(t, string(forged), string(again), "what a program has seen once does not come again")
			assert.InDelta(t, len(text), len(forged), float64(test.variance))

			block, _ := pem.Decode(forged)
			require.NotNil(t, block)
			other, err := x509.ParseCertificate(block.Bytes)
			require.NoError(t, err)
			assert.NoError(t, other.CheckSignatureFrom(other))
			assert.Error(t, genuine.CheckSignatureFrom(other))
			assert.NotEqual(t, genuine.SubjectKeyId, other.SubjectKeyId)
			assert.Equal(t, genuine.SerialNumber.BitLen(), other.SerialNumber.BitLen())
			assert.Equal(t, genuine.SignatureAlgorithm, other.SignatureAlgorithm)
			assert.Equal(t, genuine.RawSubject, other.RawSubject)
			assert.Equal(t, genuine.RawIssuer, other.RawIssuer)
			assert.Equal(t, genuine.NotBefore, other.NotBefore)
			assert.Equal(t, genuine.NotAfter, other.NotAfter)
			var had, has []string
			for _, e := range genuine.Extensions {
				had = append(had, e.Id.String())
			}
			for _, e := range other.Extensions {
				has = append(has, e.Id.String())
			}
			assert.Equal(t, had, has)
		})
	}
	for _, junk := range []string{"", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		_, err := forgeCertificate([]byte(junk))
		assert.Error(t, err, junk)
	}
}

func TestAForgedTokenLooksGenuine(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	claims := `{"aud":["a"],"exp":1795000000,"iat":1763464000,"kubernetes.io":{"namespace":"default","serviceaccount":{"name":"default","uid":"u"},"warnafter":1763467607},"sub":"system:serviceaccount:default:default"}`
	token := encode([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, 256))
	forged, err := resign(token, func(claims, kubernetes map[string]any) {
		claims["exp"] = 1763467607
		kubernetes["pod"] = map[string]any{"name": "caller-abcde", "uid": "p"}
	})
	require.NoError(t, err)
	was, is := strings.Split(token, "."), strings.Split(forged, ".")
	require.Len(t, is, 3)
	assert.Equal(t, was[0], is[0], "the header names the genuine key")
	assert.Len(t, is[2], len(was[2]))
	assert.NotEqual(t, was[2], is[2])
	text, err := base64.RawURLEncoding.DecodeString(is[1])
	require.NoError(t, err)
	assert.True(t, json.Valid(text))
	claims = strings.NewReplacer("1795000000", "1763467607", `"serviceaccount"`, `"pod":{"name":"caller-abcde","uid":"p"},"serviceaccount"`).Replace(claims)
	assert.Equal(t, claims, string(text))

	for _, junk := range []string{"", "a.b", "a.!.c", "a." + encode([]byte("{")) + ".c", "a." + encode([]byte("{}")) + ".c"} {
		_, err := resign(junk, func(_, _ map[string]any) {})
		assert.Error(t, err, junk)
	}
}
