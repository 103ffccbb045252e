package check

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rolecall/harness/cluster"
	"rolecall/manifests"
)

// trusting is a cluster that takes a configuration or says why not.
type trusting struct {
	given  string
	refuse error
}

func (c *trusting) Authenticate(_ context.Context, config string) error {
	c.given = config
	return c.refuse
}
func (c *trusting) RestoreAuthentication(context.Context) error { c.given = ""; return nil }
func (c *trusting) Loopback() string                            { return "localhost:1" }

var school = &Issuer{URL: "https://school.example", description: "https://localhost:1/d"}

// configuration trusts the school.
var configuration = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
  - issuer:
      url: https://school.example
      audiences: [lab]
      certificateAuthority: |
        ` + strings.ReplaceAll(strings.TrimSpace(manifests.IssuerCA), "\n", "\n        ") + `
    claimMappings:
      username: {claim: sub, prefix: "a:"}
`

func TestAuthentication(t *testing.T) {
	change := func(old, with string) string {
		require.Contains(t, configuration, old)
		return strings.Replace(configuration, old, with, 1)
	}
	const username = `{claim: sub, prefix: "a:"}`
	for name, c := range map[string]struct{ text, got, at string }{
		"as it is":              {configuration, "", ""},
		"a beta":                {change("/v1", "/v1beta1"), "", ""},
		"an expression":         {change(username, `{expression: '"a:" + claims.sub'}`), "", ""},
		"one loop":              {change(username, `{expression: 'claims.a.filter(x, x.startsWith("b") || has(claims.c)).size() == 0 ? "a" : "b"'}`), "", ""},
		"two documents":         {configuration + "---\n" + configuration, "2 documents", ""},
		"another kind":          {change("AuthenticationConfiguration", "AuthorizationConfiguration"), "kind: AuthorizationConfiguration", "AuthorizationConfiguration"},
		"another group":         {change("apiserver.config.k8s.io", "v1"), "apiVersion: v1/v1", "v1/v1"},
		"an unknown field":      {change("audiences", "audience"), `unknown field "jwt[0].issuer.audience"`, "audience: [lab]"},
		"a text for a list":     {change("[lab]", "lab"), "a list", "lab"},
		"anonymous":             {configuration + "anonymous: {enabled: true}\n", "the field anonymous", "anonymous"},
		"nobody":                {"apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: []\n", "0 issuers", "jwt"},
		"another issuer":        {change("school.example", "evil.example"), `the issuer "https://evil.example"`, "https://evil.example"},
		"another place":         {change("audiences", "discoveryURL: https://evil.example\n      audiences"), "discoveryURL: https://evil.example", "https://evil.example"},
		"an egress":             {change("audiences", "egressSelectorType: cluster\n      audiences"), "egressSelectorType", "cluster"},
		"no authority":          {change("certificateAuthority: |", "certificateAuthority: ''\n      x: |"), "unknown field", "x: |"},
		"another authority":     {change("certificateAuthority: |", "certificateAuthority: |\n        x"), "", ""}, // text before a certificate is none of it
		"a function":            {change(username, `{expression: 'claims.sub.replace("a", "aaaa")'}`), "with the function replace", "'claims.sub.replace"},
		"two loops":             {change(username, `{expression: '[1].all(x, [2].exists(y, x == y)) ? "a" : "b"'}`), "with 2 loops", "'[1].all"},
		"a comment before ( of": {change(username, "{expression: \"claims.sub.replace // x\\n ('a', 'b')\"}"), "of several lines", `"claims`},
		"a long expression":     {change(username, `{expression: '"`+strings.Repeat("x", maxExpression)+`"'}`), "characters", `'"xxx`},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := newEnv(t, map[string]string{"lab/a.yaml": c.text})
			a, err := e.Authentication("lab/a.yaml", school)
			if c.got == "" {
				require.NoError(t, err)
				assert.Equal(t, []string{"lab"}, a.Audiences)
				return
			}
			failure, learners := AsFailure(err)
			require.True(t, learners, "%v", err)
			assert.Contains(t, failure.Got, c.got)
			assert.NotEmpty(t, failure.Hint)
			if c.at != "" {
				line := strings.Split(c.text, "\n")[failure.Position.Line-1]
				assert.True(t, strings.HasPrefix(line[failure.Position.Column-1:], c.at), "%s: %s", failure.Position, line)
			}
		})
	}
}

func TestAuthenticateSaysWhereTheIssuerIs(t *testing.T) {
	e, _ := newEnv(t, map[string]string{"lab/a.yaml": configuration})
	cluster1 := &trusting{}
	e.Authenticator = cluster1
	a, err := e.Authentication("lab/a.yaml", school)
	require.NoError(t, err)
	require.NoError(t, e.Authenticate(t.Context(), a, school))
	assert.Contains(t, cluster1.given, "discoveryURL: https://localhost:1/d")
	assert.Contains(t, cluster1.given, "url: https://school.example")
	assert.Nil(t, a.config.JWT[0].Issuer.DiscoveryURL, "what the learner wrote stays")

	cluster1.refuse = &cluster.NotTakenError{Reason: "jwt[0].claimMappings.username.prefix: Required value: x"}
	refusal, refused := AsRefusal(e.Authenticate(t.Context(), a, school))
	require.True(t, refused)
	assert.Equal(t, "jwt[0].claimMappings.username.prefix: Required value: x", refusal.Message)
	assert.NotZero(t, refusal.Position.Line)

	cluster1.refuse = errors.New("no disk")
	_, refused = AsRefusal(e.Authenticate(t.Context(), a, school))
	assert.False(t, refused)
	require.NoError(t, e.Sweep(t.Context()))
	assert.Empty(t, cluster1.given, "a sweep puts back what was there")
}

func TestIssuerIsForClustersOfOurs(t *testing.T) {
	e, _ := newEnv(t, nil)
	_, err := e.StartIssuer(t.Context(), school.URL)
	assert.ErrorIs(t, err, ErrOwner)
}

func TestTokensSayWhatTheyAreToldTo(t *testing.T) {
	key, err := newKey()
	require.NoError(t, err)
	i := &Issuer{URL: school.URL, key: key, id: "k"}
	for _, make := range []func(string, map[string]any) (string, error){i.Token, i.ForgedToken} {
		token, err := make("lab", map[string]any{"sub": "ada"})
		require.NoError(t, err)
		parts := strings.Split(token, ".")
		require.Len(t, parts, 3)
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(text, &claims))
		assert.Equal(t, []any{school.URL, "lab", "ada"}, []any{claims["iss"], claims["aud"], claims["sub"]})
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		require.NoError(t, err)
		assert.Len(t, signature, 64)
	}
}
