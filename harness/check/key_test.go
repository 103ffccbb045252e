package check

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func inPEM(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestPrivateKey(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, minRSABits)
	require.NoError(t, err)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	pkcs8 := func(key crypto.PrivateKey) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return inPEM(t, "PRIVATE KEY", der, err)
	}
	pkcs1 := inPEM(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)
	der, err := x509.MarshalECPrivateKey(ec)
	sec1 := inPEM(t, "EC PRIVATE KEY", der, err)
	parameters := inPEM(t, "EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}, nil)

	for name, c := range map[string]struct {
		text string
		key  Key
		got  string
	}{
		"Ed25519 in PKCS#8":        {pkcs8(ed), ed, ""},
		"ECDSA in PKCS#8":          {pkcs8(ec), ec, ""},
		"ECDSA in SEC 1":           {parameters + sec1, ec, ""},
		"RSA in PKCS#8":            {"a key of mine\n" + pkcs8(rsaKey), rsaKey, ""},
		"RSA in PKCS#1":            {strings.ReplaceAll(pkcs1, "\n", "\r\n"), rsaKey, ""},
		"under another name":       {strings.ReplaceAll(pkcs1, "RSA PRIVATE", "PRIVATE"), rsaKey, ""},
		"too short":                {pkcs8(short), nil, "an RSA key of 1024 bits"},
		"a curve that TLS has not": {pkcs8(small), nil, "an ECDSA key of 224 bits"},
		"none":                     {"TODO", nil, "no block of PEM"},
		"cut short":                {strings.Split(pkcs1, "-----END")[0], nil, "no block of PEM"},
		"two":                      {pkcs1 + sec1, nil, "two private keys"},
		"a public one":             {inPEM(t, "PUBLIC KEY", []byte{1}, nil), nil, "a block PUBLIC KEY"},
		"SSH's":                    {inPEM(t, "OPENSSH PRIVATE KEY", []byte{1}, nil), nil, "a block OPENSSH PRIVATE KEY"},
		"encrypted":                {strings.Replace(pkcs1, "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1), nil, "an encrypted key"},
		"damaged":                  {inPEM(t, "PRIVATE KEY", []byte{48, 1}, nil), nil, "a block PRIVATE KEY that does not hold such a key"},
		"something else":           {inPEM(t, "PKCS7", []byte{1}, nil), nil, "a block PKCS7"},
		"too long":                 {strings.Repeat("x", maxKey+1), nil, "8193 bytes"},
		"binary":                   {"\x30\x00", nil, "binary data"},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := newEnv(t, map[string]string{"lab/a.key": c.text})
			key, err := e.PrivateKey("lab/a.key")
			if c.key != nil {
				require.NoError(t, err)
				assert.True(t, c.key.Equal(key))
				return
			}
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, c.got)
			assert.NotEmpty(t, failure.Hint)
		})
	}
}
