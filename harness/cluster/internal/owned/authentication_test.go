package owned

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"rolecall/harness/cluster"
	"rolecall/manifests"
)

// apiServer is one that reloads its configuration as soon as it is written.
type apiServer struct {
	mu       sync.Mutex
	config   string // that it has
	refuse   string // why it takes no other than its own, if it does not
	update   bool   // whether that is because an issuer does not answer
	failures int
	log      string
}

func (s *apiServer) reloading() Reloading {
	return Reloading{
		Write: func(_ context.Context, text string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.refuse == "" || strings.HasPrefix(text, manifests.Authentication) {
				s.config = text
				return nil
			}
			doing := "validate"
			if s.update {
				doing = "update"
			}
			s.failures++
			s.log += fmt.Sprintf("E1126 12:00:00.%06d 1 authentication.go:1] \"failed to %s authentication config\" err=%q\n", s.failures, doing, s.refuse)
			return nil
		},
		Log: func(context.Context) (string, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.log, nil
		},
	}
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(w, `# HELP apiserver_authentication_config_controller_last_config_info ...
apiserver_authentication_config_controller_last_config_info{apiserver_id_hash="sha256:1",hash="%s"} 1
apiserver_authentication_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:1",status="failure"} %d
apiserver_authentication_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:1",status="success"} 7
apiserver_request_total{code="200"} 12
`, digest(s.config), s.failures)
}

// reaching is a complete cluster of that API server.
func reaching(t *testing.T, s *apiServer) *Cluster {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c := complete(t)
	c.config = &rest.Config{Host: server.URL}
	return c
}

func TestAuthenticateEndsWhenTheConfigurationIsTaken(t *testing.T) {
	s := &apiServer{config: manifests.Authentication, log: "E1 \"failed to load authentication config\" err=\"of long ago\"\n"}
	c := reaching(t, s)
	require.NoError(t, c.RestoreAuthentication(t.Context(), s.reloading()))
	assert.Equal(t, manifests.Authentication, s.config, "nothing was changed")

	require.NoError(t, c.Authenticate(t.Context(), s.reloading(), "kind: Mine"))
	assert.Contains(t, s.config, "kind: Mine\n# ")
	again := s.config
	require.NoError(t, c.Authenticate(t.Context(), s.reloading(), "kind: Mine"))
	assert.NotEqual(t, again, s.config, "each is known by a digest of its own")

	later := reaching(t, s) // another command, after this one was killed
	later.Options, later.name = c.Options, c.name
	require.NoError(t, later.RestoreAuthentication(t.Context(), s.reloading()))
	assert.Contains(t, s.config, manifests.Authentication)
	assert.NoFileExists(t, c.note())
}

func TestAuthenticateSaysWhyItIsNotTaken(t *testing.T) {
	s := &apiServer{config: manifests.Authentication, refuse: `jwt[0].issuer.url: Required value: "x"`, log: "E1 \"failed to load authentication config\" err=\"of long ago\"\n"}
	c := reaching(t, s)
	err := c.Authenticate(t.Context(), s.reloading(), "kind: Mine")
	var not *cluster.NotTakenError
	require.ErrorAs(t, err, &not)
	assert.Equal(t, s.refuse, not.Reason)
	assert.FileExists(t, c.note(), "what was written is still there")

	s.update, s.refuse = true, "no answer"
	err = c.Authenticate(t.Context(), s.reloading(), "kind: Mine")
	require.ErrorContains(t, err, "no answer")
	assert.NotErrorAs(t, err, &not)

	require.NoError(t, c.RestoreAuthentication(t.Context(), s.reloading()))
	assert.NoFileExists(t, c.note())
}

func TestRestoreIsNotForgottenWhereItFails(t *testing.T) {
	s := &apiServer{config: manifests.Authentication}
	c := reaching(t, s)
	require.NoError(t, c.Authenticate(t.Context(), s.reloading(), "kind: Mine"))
	broken := s.reloading()
	broken.Write = func(context.Context, string) error { return errors.New("no space") }
	require.ErrorContains(t, c.RestoreAuthentication(t.Context(), broken), "no space")
	assert.FileExists(t, c.note())
}

func TestLastWordsAreThoseOfTheLog(t *testing.T) {
	const other = "I1126 18:17:14.1 1 authentication.go:818] \"reloaded authentication config\"\n"
	const quoted = "E1126 18:17:19.9 1 authentication.go:801] \"failed to validate authentication config\" err=\"jwt[0]: Invalid value: \\\"x\\\"\"\n"
	const lines = "E1126 18:18:21.4 1 authentication.go:801] \"failed to validate authentication config\" err=<\n\tjwt[0]: compilation failed\n\t | a + b\n >\n"
	assert.Empty(t, lastWords(other))
	assert.Equal(t, `jwt[0]: Invalid value: "x"`, lastWords(lines+quoted+other).err)
	assert.Equal(t, "jwt[0]: compilation failed\n | a + b", lastWords(quoted+lines+other).err)
	inContainer := ""
	for line := range strings.Lines(other + lines + other) {
		inContainer += "2026-11-26T18:18:21.421467Z stderr F " + line
	}
	assert.Equal(t, lastWords(lines), lastWords(inContainer))
}
