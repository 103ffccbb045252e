package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"rolecall.build/machine/sandbox"
)

// sandboxTime bounds the start of a sandbox.
const sandboxTime = 30 * time.Second

// settle gives the pod its address, and has what its volumes are made of
// watched. It is false where the pod has to leave before.
func (p *pod) settle() bool {
	return p.persist(noSandbox, noSandboxWords, func() error {
		address, err := p.node.addresses.take()
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.address = address
		p.released = append(p.released, func() { p.node.addresses.giveBack(address) })
		p.mu.Unlock()
		p.watchObjects()
		p.changed()
		return nil
	})
}

// prepare gives the pod its sandbox, with the cluster's services in it, and its
// volumes. It is false where the pod has to leave before.
func (p *pod) prepare() bool {
	starting := make(chan bool, 1)
	go func() { starting <- p.persist(noSandbox, noSandboxWords, p.startSandbox) }()
	contents := p.awaitVolumes()
	if started := <-starting; !started || contents == nil {
		return false
	}
	mounted := p.persist("FailedMount", "", func() error {
		if p.inside.Err() != nil { // it has ended meanwhile
			p.closeSandbox()
			if err := p.startSandbox(); err != nil {
				return err
			}
		}
		return p.mount(contents)
	})
	if !mounted {
		return false
	}
	p.mu.Lock()
	p.prepared, p.open = true, true // reported with the first container's state: one request fewer on the way to Ready
	p.mu.Unlock()
	p.addEphemeral()
	return true
}

// An event of a kubelet's.
const (
	noSandbox      = "FailedCreatePodSandBox"
	noSandboxWords = "Failed to create pod sandbox: "
)

// persist does what the pod cannot be without, again until that succeeds. In
// between an event says why, and the pod's containers wait for the node unless
// the pod is at fault. It is false if the pod has to leave first.
func (p *pod) persist(reason, words string, do func() error) bool {
	for wait := retry; ; wait = min(2*wait, longestRetry) {
		err := do()
		if err == nil {
			p.lacksNothing()
			return true
		}
		p.record("", warning(reason, words+err.Error()))
		if its := (*sandbox.StartError)(nil); !errors.As(err, &its) { // a kubelet would fail too
			p.lacks(err)
		}
		select {
		case <-time.After(wait):
		case <-p.running.Done():
			return false
		}
	}
}

// startSandbox tries to start the sandbox.
func (p *pod) startSandbox() error {
	started, err := p.tryStart(p.address)
	if err != nil {
		return err
	}
	inside, leave := context.WithCancel(p.running)
	go func() {
		<-started.Done()
		leave()
	}()
	p.mu.Lock()
	p.sandbox, p.inside = started, inside
	p.mu.Unlock()
	return nil
}

func (p *pod) tryStart(address netip.Addr) (sandboxPod, error) {
	api := p.object()
	ctx, cancel := context.WithTimeout(p.running, sandboxTime)
	defer cancel()
	config := p.node.config
	spec := sandbox.PodSpec{
		UID: string(p.uid), Name: p.key.String(), Hostname: utsName(api),
		Addresses: []netip.Addr{address, config.ServiceIP, config.DNSIP},
		PIDs:      podPIDs, Disk: podDisk, Sysctls: map[string]string{},
	}
	for _, sysctl := range sysctls(api) {
		spec.Sysctls[sysctl.Name] = sysctl.Value
	}
	spec.Memory, spec.CPU = p.node.podLimits(api)
	started, err := p.node.sandboxes.start(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := p.serve(started, address); err != nil {
		started.Close()
		return nil, err
	}
	return started, nil
}

// serve puts the API server and the name server into the pod's network.
func (p *pod) serve(started sandboxPod, address netip.Addr) error {
	server := netip.AddrPortFrom(p.node.config.ServiceIP, 443).String()
	listener, err := started.Listen("tcp", server)
	if err != nil {
		return fmt.Errorf("listening for the API server in the pod: %w", err)
	}
	p.node.config.Front.Add(listener, address)

	names := netip.AddrPortFrom(p.node.config.DNSIP, 53).String()
	packets, err := started.ListenPacket("udp", names)
	if err != nil {
		return fmt.Errorf("listening for the name server in the pod: %w", err)
	}
	streams, err := started.Listen("tcp", names)
	if err != nil {
		return fmt.Errorf("listening for the name server in the pod: %w", err)
	}
	p.node.dns.serve(packets, streams)
	return nil
}

// volumesShown is how long a volume may be missing before an event says so: the
// API server needs a moment to let the node see a new pod's objects.
const volumesShown = 500 * time.Millisecond

// awaitVolumes collects the volumes' contents. It is nil where the pod has to
// leave before all are there.
func (p *pod) awaitVolumes() map[string]sandbox.Volume {
	began := time.Now()
	var told string
	var at time.Time
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, retry) {
		contents, failed, err := p.contents()
		if err == nil {
			return contents
		}
		message := fmt.Sprintf("MountVolume.SetUp failed for volume %q : %v", failed, err)
		if time.Since(began) > volumesShown && (told != message || time.Since(at) > eventAgain) {
			told, at = message, time.Now()
			p.record("", warning("FailedMount", message))
		}
		select {
		case <-time.After(wait):
		case <-p.running.Done():
			return nil
		}
	}
}

// watchObjects keeps what the pod refers to watched, for as long as the pod is
// known.
func (p *pod) watchObjects() {
	for key := range objectsOf(p.object()) {
		release := p.node.objects.use(key)
		p.mu.Lock()
		p.released = append(p.released, release)
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.released = append(p.released, func() { p.node.tokens.DeleteServiceAccountToken(p.uid) })
	p.mu.Unlock()
}

// objectsOf names the ConfigMaps and Secrets that a pod refers to.
func objectsOf(pod *corev1.Pod) sets.Set[objectKey] {
	keys := sets.New[objectKey]()
	add := func(resource string) podutil.Visitor {
		return func(name string) bool {
			keys.Insert(objectKey{resource, pod.Namespace, name})
			return true
		}
	}
	podutil.VisitPodConfigmapNames(pod, add("configmaps"))
	podutil.VisitPodSecretNames(pod, add("secrets"))
	return keys
}
