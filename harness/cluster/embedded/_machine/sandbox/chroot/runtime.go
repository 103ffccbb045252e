// Package chroot isolates pods where no namespaces can be made, as in a
// container with its engine's defaults: each container is a chroot with an
// agent, and with users of the host that nobody else has. All pods share the
// machine's network; the user of a socket tells whose it is.
package chroot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/prometheus/procfs"

	"rolecall.build/machine/imagearchive"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/internal/agents"
	"rolecall.build/machine/sandbox/internal/images"
	"rolecall.build/machine/sandbox/internal/seccomp"

	"golang.org/x/sys/unix"
)

// Runtime implements sandbox.Runtime.
type Runtime struct {
	program *agents.Program
	dir     string
	support sandbox.Support
	filters seccomp.Filters
	images  images.Images

	reserved net.Listener // holds services and users for this runtime
	services netip.Prefix
	users    *users
	network  *network
	stop     chan struct{} // ends the watches
}

// defaultPIDs are a pod's processes and threads if its spec has no number.
const defaultPIDs = 1024

// New finds out whether pods can be chroots here, by making one. why is what
// keeps this machine from giving more.
func New(ctx context.Context, program *agents.Program, config sandbox.Config, why error) (*Runtime, error) {
	if err := mayChroot(); err != nil {
		return nil, err
	}
	if config.Dir == "" {
		return nil, errors.New("it needs a folder for the pods' files")
	}
	if err := os.RemoveAll(config.Dir); err != nil { // what a killed node left
		return nil, fmt.Errorf("removing old containers: %w", err)
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, err
	}
	r := &Runtime{program: program, dir: config.Dir, stop: make(chan struct{})}
	r.filters.Stricter = seccomp.WithoutNamespaces(restrictsNetwork())
	if err := r.reserve(); err != nil {
		return nil, err
	}
	if err := r.try(ctx); err != nil {
		return nil, errors.Join(err, r.reserved.Close())
	}
	r.support = sandbox.Support{
		Mode: sandbox.ModeChroot, Servers: !restrictsNetwork(), Memory: sandbox.LimitWatch, PIDs: sandbox.LimitRlimit, CPU: sandbox.LimitNone,
		Weaker: weaker(), Why: why.Error(), Missing: "pods have no namespaces here",
	}
	go watchMemory(r.users, r.stop)
	go watchFiles(r.users, r.dir, r.stop)
	return r, nil
}

// needed are the capabilities that this takes, by number.
var needed = []struct {
	name   string
	number uint
}{
	{"CAP_CHOWN", unix.CAP_CHOWN}, {"CAP_DAC_OVERRIDE", unix.CAP_DAC_OVERRIDE}, {"CAP_FOWNER", unix.CAP_FOWNER}, {"CAP_KILL", unix.CAP_KILL},
	{"CAP_SETGID", unix.CAP_SETGID}, {"CAP_SETUID", unix.CAP_SETUID}, {"CAP_NET_BIND_SERVICE", unix.CAP_NET_BIND_SERVICE},
	{"CAP_SYS_CHROOT", unix.CAP_SYS_CHROOT}, {"CAP_MKNOD", unix.CAP_MKNOD},
}

// mayChroot says which right this process lacks. nil: none.
func mayChroot() error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root")
	}
	self, err := procfs.Self()
	if err != nil {
		return err
	}
	status, err := self.NewStatus()
	if err != nil {
		return err
	}
	for _, right := range needed {
		if status.CapEff&(1<<right.number) == 0 {
			return fmt.Errorf("it needs %s", right.name)
		}
	}
	return nil
}

// try starts a container's agent and ends it, and finds a way to tell whose a
// socket is.
func (r *Runtime) try(ctx context.Context) error {
	userOf, err := newSocketUser(r.reserved.Addr())
	if err != nil {
		return fmt.Errorf("looking for a socket's user: %w", err)
	}
	r.network = newNetwork(r.users, userOf)
	p := r.newPod(sandbox.PodSpec{Name: "try", PIDs: defaultPIDs})
	c, err := p.container(sandbox.ContainerSpec{Name: "try"})
	if err == nil {
		_, err = c.startAgent(ctx)
		c.changing.Unlock()
	}
	return errors.Join(err, p.Close())
}

// weaker says what pods are not given here.
func weaker() string {
	text := "pods are chroots with users of their own, not namespaces: they have no /proc, and see this machine's host name and its network"
	if !restrictsNetwork() {
		return text + ", on which they can connect to anything, since this kernel has no Landlock 4 (Linux 6.7)"
	}
	return text + ", on which they can connect to ports 443 and 53 and send any datagram"
}

// restrictsNetwork reports whether Landlock can keep pods from connecting and
// listening.
func restrictsNetwork() bool {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && version >= 4
}

// Support implements sandbox.Runtime.
func (r *Runtime) Support() sandbox.Support { return r.support }

// Services implements sandbox.Runtime: a range of loopback addresses that no
// other runtime in this network has, for as long as this one lives.
func (r *Runtime) Services() netip.Prefix { return r.services }

// SetImages implements sandbox.Runtime.
func (r *Runtime) SetImages(images map[string]*imagearchive.Image) { r.images.Set(images) }

// Prepare implements sandbox.Runtime.
func (r *Runtime) Prepare(_ context.Context, ref string) error {
	_, err := r.images.Keep(ref)
	return err
}

// Start implements sandbox.Runtime. The pod holds nothing yet.
func (r *Runtime) Start(_ context.Context, spec sandbox.PodSpec) (sandbox.Pod, error) {
	if spec.PIDs <= 0 {
		spec.PIDs = defaultPIDs
	}
	return r.newPod(spec), nil
}

// Close implements sandbox.Runtime.
func (r *Runtime) Close() error {
	close(r.stop)
	r.images.Close()
	return errors.Join(r.network.close(), r.reserved.Close(), r.program.Close())
}
