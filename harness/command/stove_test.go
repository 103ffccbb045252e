package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"

	"rolecall/harness/cluster"
	"rolecall/harness/inventory"
	"rolecall/harness/next"
)

// stove is a provider of clusters that are a file each, with a server that
// answers what every run asks.
type stove struct {
	cluster.Options
	name string
}

func (s stove) Name() string                    { return s.name }
func (s stove) Available(context.Context) error { return nil }
func (s stove) Quick() bool                     { return false }
func (s stove) Clean(context.Context) error     { return nil }
func (s stove) Cluster(name string) cluster.Cluster {
	return &pot{stove: s, name: name}
}

// pot is a cluster of a stove.
type pot struct {
	stove
	name   string
	server *httptest.Server
}

func (p *pot) file() string                          { return filepath.Join(p.Home, p.stove.name+"-"+p.name) }
func (p *pot) Provider() string                      { return p.stove.name }
func (p *pot) Name() string                          { return p.name }
func (p *pot) Config() *rest.Config                  { return &rest.Config{Host: p.server.URL} }
func (p *pot) Namespaces() cluster.Namespaces        { return p.Scene.Namespaces }
func (p *pot) Kubeconfig() string                    { return p.file() }
func (p *pot) Running(context.Context) bool          { return p.Exists() }
func (p *pot) Leave(context.Context) error           { return nil }
func (p *pot) Down(context.Context) error            { return os.RemoveAll(p.file()) }
func (p *pot) Baseline() ([]inventory.Object, error) { return nil, nil }
func (p *pot) HandOn(int) error                      { return nil }
func (p *pot) TakeOver() (int, bool)                 { return 0, false }
func (p *pot) Renew(context.Context, int) error      { return nil }
func (p *pot) Exists() bool                          { _, err := os.Stat(p.file()); return err == nil }
func (p *pot) Status(context.Context) (string, error) {
	return "the " + p.stove.name + " cluster " + p.name + " is up", nil
}
func (p *pot) Logs(_ context.Context, dir string) error {
	return os.WriteFile(filepath.Join(dir, "pot.log"), nil, 0o600)
}
func (p *pot) WriteKubeconfig(context.Context, string) error {
	return errors.New("a cluster of ours has a kubeconfig")
}

// Up takes as long as a test wants, or ends in an error.
func (p *pot) Up(ctx context.Context) error {
	if file := os.Getenv("BOILS"); file != "" {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
		<-ctx.Done()
		return errors.New("controller.go:12: the pot was taken off the stove")
	}
	if os.Getenv("BURNS") != "" {
		return next.Errorf("make reset, then make lab-2", "heating the pot: it burns")
	}
	p.server = httptest.NewServer(http.HandlerFunc(answer))
	return os.WriteFile(p.file(), nil, 0o600)
}

// Reset finds one object too many, which a test may make stay.
func (p *pot) Reset(_ context.Context, tell func(inventory.Object)) error {
	if tell != nil {
		tell(inventory.Object{})
	}
	if os.Getenv("STICKS") != "" {
		return errors.New("resetting the cluster: the lid is still there")
	}
	return nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"gitVersion": "v1.0.0"}`)
	case r.URL.Path == "/api/v1":
		fmt.Fprint(w, `{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": [{"name": "pods", "namespaced": true, "kind": "Pod"}]}`)
	case r.URL.Path == "/api/v1/nodes":
		fmt.Fprint(w, `{"items": [{"status": {"nodeInfo": {"architecture": "amd64"}}}]}`)
	case strings.HasPrefix(r.URL.Path, "/livez"):
	default:
		fmt.Fprint(w, `{"kind": "List", "apiVersion": "v1", "items": []}`)
	}
}

// hotel is the provider of somebody else's clusters.
type hotel struct{ kubeconfig, context string }

func (hotel) Name() string                    { return "existing" }
func (hotel) Available(context.Context) error { return errors.New("no context is named") }
func (hotel) Quick() bool                     { return false }
func (hotel) Clean(context.Context) error     { return nil }
func (h hotel) Cluster(string) cluster.Cluster {
	return guest{h}
}

// guest is a cluster of somebody else's.
type guest struct{ hotel }

func (guest) Provider() string                   { return "existing" }
func (guest) Config() *rest.Config               { return nil }
func (guest) Namespaces() cluster.Namespaces     { return nil }
func (guest) Leave(context.Context) error        { return nil }
func (guest) Logs(context.Context, string) error { return nil }
func (guest) Up(context.Context) error           { return errors.New("connecting: nobody is at home") }
func (g guest) WriteKubeconfig(_ context.Context, file string) error {
	return os.WriteFile(file, []byte(g.context), 0o600)
}
