package manifests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var renew = flag.Bool("renew", false, "make the issuer's authority and its server's certificate anew")

// TestIssuer holds the issuer's certificate to be good for localhost, and for
// years. With -renew it makes another authority, whose key it forgets; every text
// that shows the certificate, and what learners wrote with it, changes with that.
func TestIssuer(t *testing.T) {
	if *renew {
		makeIssuer(t)
		return
	}
	server, err := tls.X509KeyPair([]byte(IssuerCertificate), []byte(IssuerKey))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(IssuerCA)))
	_, err = server.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: roots, CurrentTime: time.Now().AddDate(5, 0, 0)})
	require.NoError(t, err)
	assert.Error(t, server.Leaf.VerifyHostname("kubernetes"))
}

func makeIssuer(t *testing.T) {
	t.Helper()
	valid := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
			NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2056, 1, 1, 0, 0, 0, 0, time.UTC),
		}
	}
	key := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return key
	}
	write := func(file, kind string, der []byte, err error) {
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644))
	}
	authority, server := valid("rolecall issuer CA", 1), valid("rolecall issuer", 2)
	authority.IsCA, authority.MaxPathLenZero, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	authority.PermittedDNSDomains, authority.PermittedDNSDomainsCritical = []string{"localhost"}, true
	server.DNSNames, server.KeyUsage, server.ExtKeyUsage = []string{"localhost"}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	authorityKey, serverKey := key(), key()
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	write("issuer-ca.crt", "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	write("issuer.crt", "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(serverKey)
	write("issuer.key", "PRIVATE KEY", der, err)
}
