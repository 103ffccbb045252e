package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	"rolecall.build/machine/sandbox"
)

const labImage = "labs.local/busybox-curl:1"

// fakeSandboxes run no processes: program says how each container ends.
type fakeSandboxes struct {
	// program is called for each run. The process ends when it returns.
	program func(spec sandbox.ContainerSpec, signals <-chan syscall.Signal) sandbox.Exit
	// deaf is a machine where pods cannot listen.
	deaf bool
	// refuse fails a start.
	refuse func(spec sandbox.ContainerSpec) error

	// started is called with each sandbox that starts; an error fails the start.
	started func(*fakePod) error
	// setVolume fails a SetVolume, or keeps it waiting.
	setVolume func(*fakePod) error

	mu      sync.Mutex
	runs    []sandbox.ContainerSpec
	execs   []string
	dialed  []string
	volumes map[string]sandbox.Volume
	message string
	pod     sandbox.PodSpec
}

func (f *fakeSandboxes) start(_ context.Context, spec sandbox.PodSpec) (sandboxPod, error) {
	f.mu.Lock()
	f.pod = spec
	f.mu.Unlock()
	p := &fakePod{f: f, done: make(chan struct{})}
	if f.started != nil {
		if err := f.started(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (f *fakeSandboxes) servers() bool { return !f.deaf }

type fakePod struct {
	f    *fakeSandboxes
	done chan struct{}
	once sync.Once
}

type closedListener struct{ net.Listener }

func (closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (closedListener) Close() error              { return nil }
func (closedListener) Addr() net.Addr            { return &net.TCPAddr{} }

func (p *fakePod) Listen(string, string) (net.Listener, error) { return closedListener{}, nil }
func (p *fakePod) ListenPacket(string, string) (net.PacketConn, error) {
	return net.ListenPacket("udp", "127.0.0.1:0")
}
func (p *fakePod) Dial(_ context.Context, _, address string) (net.Conn, error) {
	p.f.mu.Lock()
	p.f.dialed = append(p.f.dialed, address)
	p.f.mu.Unlock()
	return nil, errors.New("connection refused")
}
func (p *fakePod) SetVolume(name string, v sandbox.Volume) error {
	if p.f.setVolume != nil {
		if err := p.f.setVolume(p); err != nil {
			return err
		}
	}
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	if p.f.volumes == nil {
		p.f.volumes = map[string]sandbox.Volume{}
	}
	p.f.volumes[name] = v
	return nil
}
func (p *fakePod) ReadVolume(string, string, int64) ([]byte, error) { return []byte(p.f.message), nil }
func (p *fakePod) Done() <-chan struct{}                            { return p.done }

// Close ends the sandbox, as an agent's death does.
func (p *fakePod) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *fakePod) run(_ context.Context, spec sandbox.ContainerSpec) (process, error) {
	p.f.mu.Lock()
	p.f.runs = append(p.f.runs, spec)
	p.f.mu.Unlock()
	if p.f.refuse != nil {
		if err := p.f.refuse(spec); err != nil {
			return nil, err
		}
	}
	started := &fakeProcess{done: make(chan struct{}), signals: make(chan syscall.Signal, 8)}
	exited := make(chan sandbox.Exit, 1)
	go func() { exited <- p.f.program(spec, started.signals) }()
	go func() {
		select {
		case started.exit = <-exited:
		case <-p.done:
			started.err = sandbox.ErrGone
		}
		close(started.done)
	}()
	return started, nil
}

func (p *fakePod) exec(_ context.Context, _ string, spec sandbox.ExecSpec) (process, error) {
	p.f.mu.Lock()
	p.f.execs = append(p.f.execs, strings.Join(spec.Args, " "))
	p.f.mu.Unlock()
	started := &fakeProcess{done: make(chan struct{})}
	close(started.done)
	return started, nil
}

type fakeProcess struct {
	done    chan struct{}
	signals chan syscall.Signal
	exit    sandbox.Exit
	err     error
}

func (p *fakeProcess) Wait() (sandbox.Exit, error)   { <-p.done; return p.exit, p.err }
func (p *fakeProcess) Done() <-chan struct{}         { return p.done }
func (p *fakeProcess) Resize(uint16, uint16) error   { return nil }
func (p *fakeProcess) terminal() *os.File            { return nil }
func (p *fakeProcess) Signal(s syscall.Signal) error { p.signals <- s; return nil }

// sleeps runs until it is asked to end.
func sleeps(_ sandbox.ContainerSpec, signals <-chan syscall.Signal) sandbox.Exit {
	s := <-signals
	return sandbox.Exit{Code: 128 + int(s), Signal: s}
}

// ends ends at once with a code.
func ends(code int) func(sandbox.ContainerSpec, <-chan syscall.Signal) sandbox.Exit {
	return func(sandbox.ContainerSpec, <-chan syscall.Signal) sandbox.Exit { return sandbox.Exit{Code: code} }
}

type noFront struct{}

func (noFront) Add(net.Listener, netip.Addr) {}

type fakeTokens struct{}

func (fakeTokens) GetServiceAccountToken(_, name string, request *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	answer := request.DeepCopy()
	answer.Status.Token = "token of " + name
	return answer, nil
}
func (fakeTokens) DeleteServiceAccountToken(types.UID) {}

// stage is a node with one pod on it, without an API server.
type stage struct {
	node   *node
	pod    *pod
	client *fake.Clientset
	events *record.FakeRecorder
	wide   informers.SharedInformerFactory
}

// newStage puts a pod on a node with the given sandboxes.
func newStage(t *testing.T, f *fakeSandboxes, api *corev1.Pod, objects ...*corev1.ConfigMap) *stage {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := fake.NewClientset(api)
	for _, object := range objects {
		_, _ = client.CoreV1().ConfigMaps(object.Namespace).Create(ctx, object, metav1.CreateOptions{})
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	events := record.NewFakeRecorder(1000)
	n := &node{
		config: Config{
			Name: "node", Dir: t.TempDir(), Front: noFront{},
			ServiceIP: netip.MustParseAddr("10.96.0.1"), DNSIP: netip.MustParseAddr("10.96.0.10"),
		},
		running: ctx, client: client, recorder: events, sandboxes: f,
		images: images{labImage: {ref: labImage, id: "sha256:1", config: v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}}}},
		tokens: fakeTokens{}, services: factory.Core().V1().Services().Lister(),
		addresses: newAddresses(), refresh: newRefresh(), dns: newNameServer(factory), capacity: capacity(),
	}
	n.resolver = newResolver(events, n.config.DNSIP)
	n.objects = newObjects(client, n.objectChanged)
	n.provider = &provider{node: n, api: factory.Core().V1().Pods().Lister(), pods: map[types.NamespacedName]*pod{}}
	p := newPod(n, api)
	n.provider.pods[p.key] = p
	go p.run()
	t.Cleanup(func() {
		p.depart(0)
		<-p.stopped
		cancel()
	})
	return &stage{node: n, pod: p, client: client, events: events, wide: factory}
}

// until waits for a status.
func (s *stage) until(t *testing.T, what string, holds func(corev1.PodStatus) bool) corev1.PodStatus {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if status := s.pod.status(); holds(status) {
			return status
		}
	}
	t.Fatalf("the pod never got there: %s; it is %+v", what, s.pod.status())
	return corev1.PodStatus{}
}

// labPod is a pod with one container of the lab image.
func labPod(change ...func(*corev1.Pod)) *corev1.Pod {
	api := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "rolecall", UID: "1234"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, ServiceAccountName: "default",
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers: []corev1.Container{{
				Name: "shell", Image: labImage, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"sleep", "infinity"},
			}},
		},
	}
	for _, c := range change {
		c(api)
	}
	return api
}
