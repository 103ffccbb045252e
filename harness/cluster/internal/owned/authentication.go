package owned

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"rolecall/harness/cluster"
	"rolecall/harness/next"
	"rolecall/manifests"
)

const (
	// authenticationNote is there while the API server may have another
	// configuration than it had when new.
	authenticationNote = "authentication-changed"
	// takes bounds the wait until the API server has taken a configuration. It
	// looks whether an issuer has answered at once, and then only after 10 s; it
	// gives up after a minute (UpdateAuthenticationConfigTimeout in Kubernetes).
	takes = 75 * time.Second
	// logs bounds the wait until the log has what the metrics say.
	logs = 5 * time.Second
)

// asks is how often the API server is asked: its metrics are megabytes, so less
// often where it does not answer at once.
var asks = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 1.5, Steps: 20, Cap: time.Second}

// Reloading is how a provider reaches the file that its API server reloads.
type Reloading struct {
	Write func(ctx context.Context, text string) error      // whole or not at all
	Log   func(ctx context.Context) (end string, err error) // of the API server's log
}

// Authenticate gives the API server an AuthenticationConfiguration, and returns
// once it has taken it: its metrics say which it has, by a digest, and how many it
// did not take. The error is a *cluster.NotTakenError where that is its answer.
func (c *Cluster) Authenticate(ctx context.Context, r Reloading, config string) error {
	if err := maybe.WriteFile(c.note(), nil, 0o600); err != nil {
		return next.Errorf("free some disk space", "noting that the API server's configuration changes: %w", err)
	}
	before, err := c.reloads(ctx)
	if err != nil {
		return err
	}
	log, err := r.Log(ctx)
	if err != nil {
		return next.Errorf("make status", "reading the API server's log: %w", err)
	}
	said := lastWords(log)
	text := unique(config)
	if err := r.Write(ctx, text); err != nil {
		return next.Errorf("make status", "writing the API server's configuration: %w", err)
	}
	refused := false
	if err := c.until(ctx, func(now reloads) bool {
		refused = now.failures > before.failures
		return refused || now.hash == digest(text)
	}); err != nil {
		return err
	}
	if !refused {
		return nil
	}
	err = wait.PollUntilContextTimeout(ctx, asks.Duration, logs, true, func(ctx context.Context) (bool, error) {
		log, err := r.Log(ctx)
		return lastWords(log) != said, err
	})
	if log, _ = r.Log(ctx); err != nil {
		return next.Errorf("make status", "reading why the API server did not take a configuration: %w", err)
	}
	words := lastWords(log)
	if words.doing == "update" { // it was understood, and the issuer did not answer
		return next.Errorf("make reset", "giving the API server a configuration: %s", words.err)
	}
	return &cluster.NotTakenError{Reason: words.err}
}

// RestoreAuthentication gives the API server the configuration that it had when
// new, if it may have another, and returns once it has taken it.
func (c *Cluster) RestoreAuthentication(ctx context.Context, r Reloading) error {
	if _, err := os.Stat(c.note()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	text := unique(manifests.Authentication) // it comes after all that was written before, so its digest says that it is the last
	err := r.Write(ctx, text)
	if err == nil {
		err = c.until(ctx, func(now reloads) bool { return now.hash == digest(text) })
	}
	if err == nil {
		err = os.Remove(c.note())
	}
	if err != nil {
		return next.Errorf("make reset", "putting the API server's configuration back: %w", err)
	}
	return nil
}

func (c *Cluster) note() string { return filepath.Join(c.Folder(), authenticationNote) }

// unique is a configuration as nobody has written it before.
func unique(config string) string {
	return strings.TrimRight(config, "\n") + "\n# " + string(uuid.NewUUID()) + "\n"
}

// digest is what the API server's metrics call a configuration.
func digest(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// reloads is what the API server's metrics say of its configuration.
type reloads struct {
	hash     string // of the one that it has
	failures int    // to take another
}

func (c *Cluster) until(ctx context.Context, done func(reloads) bool) error {
	bounded, cancel := context.WithTimeout(ctx, takes)
	defer cancel()
	err := asks.DelayFunc().Until(bounded, true, true, func(ctx context.Context) (bool, error) {
		now, err := c.reloads(ctx)
		return err == nil && done(now), err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return next.Errorf("make reset", "waiting for the API server to take a configuration: it has neither taken nor refused it after %s", takes)
	}
	return err
}

// metric matches the two metrics that tell it.
var metric = regexp.MustCompile(`^apiserver_authentication_config_controller_(last_config_info|automatic_reloads_total)\{(.*)\} (\S+)`)

func (c *Cluster) reloads(ctx context.Context) (r reloads, err error) {
	client, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return r, fmt.Errorf("connecting to the cluster: %w", err)
	}
	text, err := client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return r, next.Errorf("make status", "asking the API server for its metrics: %w", err)
	}
	return parseReloads(text), nil
}

func parseReloads(text []byte) (r reloads) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := metric.FindStringSubmatch(lines.Text())
		switch {
		case m == nil:
		case m[1] == "last_config_info":
			_, hash, _ := strings.Cut(m[2], `,hash="`)
			r.hash = strings.TrimSuffix(hash, `"`)
		case strings.Contains(m[2], `status="failure"`):
			count, _ := strconv.ParseFloat(m[3], 64) // it is a number
			r.failures += int(count)
		}
	}
	return r
}

// words is what the API server's log says of a configuration that it did not take.
type words struct{ all, doing, err string }

var (
	// failed matches that: the reason is a quoted string, or of several lines, which
	// are indented, between < and >.
	failed = regexp.MustCompile(`(?m)^.*"failed to (load|validate|update) authentication config" err=(?:("(?:[^"\\\n]|\\.)*")|<\n((?:\t.*\n)+) >)$`)
	// runtimePrefix is what a container runtime puts before each line.
	runtimePrefix = regexp.MustCompile(`(?m)^\S+ std(?:err|out) [FP] `)
)

func lastWords(log string) (w words) {
	all := failed.FindAllStringSubmatch(runtimePrefix.ReplaceAllString(log, ""), -1)
	if len(all) == 0 {
		return w
	}
	last := all[len(all)-1]
	w = words{all: last[0], doing: last[1], err: strings.TrimSpace(strings.ReplaceAll("\n"+last[3], "\n\t", "\n"))}
	if quoted, err := strconv.Unquote(last[2]); err == nil {
		w.err = quoted
	}
	return w
}
