// Package cluster is what the engine needs of a cluster, and nothing more.
// The packages below it bring one up: kind, embedded, and one that exists
// already.
package cluster

import (
	"context"
	"io"

	"k8s.io/client-go/rest"

	"rolecall/harness/inventory"
)

// DefaultName is the name of a cluster of ours where none is given.
const DefaultName = "rolecall"

// Cluster is a place to check in.
type Cluster interface {
	// Up makes the cluster ready for labs, or finds that it is.
	Up(ctx context.Context) error
	// Config is how to reach it as its administrator, after Up.
	Config() *rest.Config
	// Namespaces are the lab's places in it, after Up.
	Namespaces() Namespaces
	// Down removes what Up made. Nothing there is no error.
	Down(ctx context.Context) error
	// Logs writes what helps to find out why something broke into dir.
	Logs(ctx context.Context, dir string) error
}

// Owned is a cluster that rolecall makes and removes.
type Owned interface {
	Cluster
	// Exists tells whether anything of it is there, in whatever state.
	Exists() bool
	// Running tells whether it can be used as it is, without Up doing more
	// than connecting.
	Running(ctx context.Context) bool
	// Status tells in a line what is there.
	Status(ctx context.Context) (string, error)
	// Baseline are the objects that it held when it was new.
	Baseline() ([]inventory.Object, error)
	// Kubeconfig is the path of its private kubeconfig.
	Kubeconfig() string
}

// AuditLogger is a cluster that gives evidence.
type AuditLogger interface {
	// AuditLog is the API server's audit log in JSON lines, from now on,
	// until it is closed or ctx is done.
	AuditLog(ctx context.Context) (io.ReadCloser, error)
}

// Namespaces are the three places of a lab.
type Namespaces struct {
	Home      string // where the learner works: "default" on a cluster of ours
	Elsewhere string // another namespace, where nothing is allowed
	Viewer    string // one whose default service account may view
}

// All lists the three.
func (n Namespaces) All() []string { return []string{n.Home, n.Elsewhere, n.Viewer} }

// Ours are the places on a cluster that is ours alone.
var Ours = Namespaces{Home: "default", Elsewhere: "rolecall-elsewhere", Viewer: "rolecall-viewer"}

// PlaceLabel marks what belongs to the lab's place itself and stays there.
const PlaceLabel = "rolecall.local/place"
