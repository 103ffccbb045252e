package steps

import (
	"encoding/base64"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	certificatesv1 "k8s.io/api/certificates/v1"
	"sigs.k8s.io/yaml"
)

// TestAskedFor takes the reference solution's request, and one field after the
// other of it.
func TestAskedFor(t *testing.T) {
	text, err := os.ReadFile("../labs/lab-11-user/solution/csr.yaml")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*certificatesv1.CertificateSigningRequestSpec)
		field  string
	}{
		"as it is":         {func(*certificatesv1.CertificateSigningRequestSpec) {}, ""},
		"no signer":        {func(s *certificatesv1.CertificateSigningRequestSpec) { s.SignerName = "" }, "spec"},
		"another signer":   {func(s *certificatesv1.CertificateSigningRequestSpec) { s.SignerName = "example.org/a" }, "spec.signerName"},
		"no usage":         {func(s *certificatesv1.CertificateSigningRequestSpec) { s.Usages = nil }, "spec.usages"},
		"no end":           {func(s *certificatesv1.CertificateSigningRequestSpec) { s.ExpirationSeconds = nil }, "spec"},
		"a day":            {func(s *certificatesv1.CertificateSigningRequestSpec) { s.ExpirationSeconds = new(int32(longest)) }, ""},
		"more than a day":  {func(s *certificatesv1.CertificateSigningRequestSpec) { s.ExpirationSeconds = new(int32(longest + 1)) }, "spec.expirationSeconds"},
		"no request":       {func(s *certificatesv1.CertificateSigningRequestSpec) { s.Request = nil }, "spec.request"},
		"an empty request": {func(s *certificatesv1.CertificateSigningRequestSpec) { s.Request = frame(t, "") }, "spec.request"},
	} {
		t.Run(name, func(t *testing.T) {
			var request certificatesv1.CertificateSigningRequest
			require.NoError(t, yaml.UnmarshalStrict(text, &request))
			c.change(&request.Spec)
			asked, wrong := askedFor(request.Spec)
			if c.field == "" {
				require.Nil(t, wrong)
				assert.Equal(t, bob.User, asked.Subject.CommonName)
				return
			}
			require.NotNil(t, wrong)
			assert.Equal(t, c.field, wrong.field)
		})
	}
}

// frame is a certificate request in PEM with that content.
func frame(t *testing.T, der string) []byte {
	t.Helper()
	return []byte("-----BEGIN CERTIFICATE REQUEST-----\n" + base64.StdEncoding.EncodeToString([]byte(der)) + "\n-----END CERTIFICATE REQUEST-----\n")
}
