// Package cluster is what the engine needs of a cluster, and which one to
// take. The packages below it provide one: kind, embedded, and one that exists
// already.
package cluster

import (
	"context"
	"fmt"
	"io"

	"k8s.io/client-go/rest"

	"rolecall/harness/inventory"
	"rolecall/harness/progress"
)

// DefaultName is the name of a cluster of ours where none is given.
const DefaultName = "rolecall"

// Options are what every provider needs to know.
type Options struct {
	Home    string            // rolecall's folder
	Scene   Scene             // of the course
	Display *progress.Display // shows what takes long; may be nil
	Say     func(string)      // announces decisions in a line each; may be nil
}

// Announce says a decision.
func (o Options) Announce(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

// Provider is a kind of cluster.
type Provider interface {
	// Name is the provider's name, as in CLUSTER=kind.
	Name() string
	// Available reports why no cluster can be brought up here right away; nil
	// if one can. It builds nothing, but may take minutes: only pulling an
	// image shows that it can be pulled.
	Available(ctx context.Context) error
	// Cluster returns the provider's cluster of that name, whether or not
	// anything of it is there.
	Cluster(name string) Cluster
	// Quick reports whether a new cluster takes seconds, so that it may be made
	// for a single submission.
	Quick() bool
	// Clean deletes what was built or downloaded for the provider's clusters,
	// of which none is left. Call Clean of this package.
	Clean(ctx context.Context) error
}

// Cluster is somewhere to run labs.
type Cluster interface {
	// Provider is the name of the cluster's provider.
	Provider() string
	// Up makes the cluster ready for labs, or finds that it is.
	Up(ctx context.Context) error
	// Config is how to reach it, after Up.
	Config() *rest.Config
	// Namespaces are the scene's namespaces in it, after Up.
	Namespaces() Namespaces
	// Leave ends one run's use of the cluster, after Up. A cluster of ours
	// stays as it is; elsewhere what Up made is deleted.
	Leave(ctx context.Context) error
	// WriteKubeconfig writes a kubeconfig that knows this cluster alone.
	WriteKubeconfig(ctx context.Context, file string) error
	// Logs writes what helps to find out why something broke into dir.
	Logs(ctx context.Context, dir string) error
}

// Owned is a cluster that rolecall creates and deletes.
type Owned interface {
	Cluster
	// Name is the cluster's name, unique within its provider.
	Name() string
	// Exists reports whether anything of it is there, in whatever state.
	Exists() bool
	// Running reports whether it can be used as it is. The Up that follows
	// does not look again.
	Running(ctx context.Context) bool
	// Status describes in a line what is there.
	Status(ctx context.Context) (string, error)
	// Baseline returns the objects that it held when it was new.
	Baseline() ([]inventory.Object, error)
	// Reset deletes what it did not hold when it was new, tells each object
	// before, repairs the scene, and returns nil once it has seen that all of
	// that holds. tell may be nil.
	Reset(ctx context.Context, tell func(inventory.Object)) error
	// HandOn says that the last run left nothing odd, so that the cluster may
	// serve another one, and how many it has served.
	HandOn(served int) error
	// TakeOver ends that, and returns what HandOn said. A cluster whose run was
	// killed was not handed on.
	TakeOver() (served int, handedOn bool)
	// Renew makes a cluster that was taken over, and is up, as it was when new:
	// no object of another run is there, and no token of one works. The error says
	// why it cannot be used again.
	Renew(ctx context.Context, served int) error
	// Kubeconfig is the path of its private kubeconfig.
	Kubeconfig() string
	// Down deletes it. Nothing there is no error.
	Down(ctx context.Context) error
}

// Diagnoser is a cluster that knows what can be wrong with it.
type Diagnoser interface {
	// Diagnose looks for what keeps the cluster from working, such as a full
	// disk, and returns nil if it finds nothing.
	Diagnose() error
}

// AuditLogger is a cluster that gives evidence.
type AuditLogger interface {
	// AuditLog is the API server's audit log in JSON lines, from now on,
	// until it is closed or ctx is done.
	AuditLog(ctx context.Context) (io.ReadCloser, error)
}

// Authenticator is a cluster whose API server can be told to know users from
// elsewhere, by an AuthenticationConfiguration.
type Authenticator interface {
	// Authenticate gives the API server a configuration, and returns once it has
	// taken it. The error is a *NotTakenError where it does not.
	Authenticate(ctx context.Context, config string) error
	// RestoreAuthentication gives it the one that it had when new, if it may have
	// another, whoever gave it that, and returns once it has taken it.
	RestoreAuthentication(ctx context.Context) error
	// Loopback is the API server's host and port for itself, where it serves by
	// the certificate manifests.IssuerCertificate, after Up.
	Loopback() string
}

// NotTakenError is why an API server did not take a configuration, in its own
// words.
type NotTakenError struct{ Reason string }

func (e *NotTakenError) Error() string {
	return "the API server did not take the configuration: " + e.Reason
}

// Local is a cluster that is a process of this machine, pods and all.
type Local interface {
	// PID is the number of its process, 0 if it is not running.
	PID() int
}

// NoEngineError says why this machine has no container engine that answers.
type NoEngineError struct{ Reason error }

func (e *NoEngineError) Error() string { return e.Reason.Error() }

// Unwrap returns the reason.
func (e *NoEngineError) Unwrap() error { return e.Reason }
