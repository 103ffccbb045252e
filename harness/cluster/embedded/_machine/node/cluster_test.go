package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"rolecall.build/machine/controlplane"
	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/runtimes"
)

const auditPolicy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, omitStages: [RequestReceived]}]\n"

// folder holds the clusters' files. It stays until all tests have run: etcd
// lives as long as its process, and ends that when its files vanish.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "node-"); err != nil {
		fmt.Fprintln(os.Stderr, "making a folder for the tests:", err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(folder)
	os.Exit(status)
}

// cluster is a control plane with this node, for tests.
type cluster struct {
	config *rest.Config
	client kubernetes.Interface
	dir    string
}

// newCluster starts one. It needs an archive of the lab image.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	archive := os.Getenv("LAB_IMAGE")
	if archive == "" {
		t.Skip("LAB_IMAGE names no archive of the lab image")
	}
	dir, err := os.MkdirTemp(folder, "")
	require.NoError(t, err)
	agent, policy := filepath.Join(dir, "sandbox"), filepath.Join(dir, "policy.yaml")
	build := exec.Command("go", "build", "-trimpath", "-o", agent, "../sandbox/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.WriteFile(policy, []byte(auditPolicy), 0o600))

	ctx, cancel := context.WithCancel(context.Background())
	config := controlplane.Config{Dir: dir, AuditPolicy: policy, Node: "node"}
	plane, err := controlplane.Start(ctx, config)
	require.NoError(t, err)
	pods, err := runtimes.Open(ctx, sandbox.Config{Agent: agent, Dir: filepath.Join(dir, "containers"), Prefix: "rolecall-test"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			Name: "node", Dir: dir, Client: plane.Node, Cluster: plane.Proxy, Front: plane.Front,
			Serving: plane.Kubelet, ClientCA: plane.ClientCA, APIServerName: controlplane.KubeletClient,
			Images: map[string]string{labImage: archive}, Sandboxes: pods,
			ServiceIP: config.ServiceIP(), DNSIP: config.DNSIP(), Ready: func() {}, Odd: func(string) {},
			Reach: func(dial func(context.Context, string, string) (net.Conn, error)) { plane.ReachPods(dial) },
		})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	require.NoError(t, plane.WaitReady(ctx))
	client, err := kubernetes.NewForConfig(plane.Admin)
	require.NoError(t, err)
	return &cluster{plane.Admin, client, dir}
}

func (c *cluster) create(t testing.TB, name string, change ...func(*corev1.Pod)) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shell", Image: labImage, Command: []string{"sleep", "infinity"}}}},
	}
	for _, how := range change {
		how(pod)
	}
	_, err := c.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
}

func runs(command ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Command = command }
}

func never(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }

func (c *cluster) until(t *testing.T, name string, holds func(corev1.PodStatus) bool) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	require.Eventually(t, func() (held bool) {
		var err error
		pod, err = c.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return len(pod.Status.ContainerStatuses) > 0 && holds(pod.Status)
	}, 30*time.Second, 20*time.Millisecond, name)
	return pod
}

// exec runs a command in a pod, over a websocket.
func (c *cluster) exec(t *testing.T, name string, stdin []byte, command ...string) (string, error) {
	t.Helper()
	request := c.client.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name(name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "shell", Command: command, Stdin: stdin != nil, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(c.config, "GET", request.URL().String())
	require.NoError(t, err)
	var out, errs bytes.Buffer
	options := remotecommand.StreamOptions{Stdout: &out, Stderr: &errs}
	if stdin != nil {
		options.Stdin = bytes.NewReader(stdin)
	}
	err = executor.StreamWithContext(t.Context(), options)
	return out.String() + errs.String(), err
}

func (c *cluster) log(t *testing.T, name string, options corev1.PodLogOptions) string {
	t.Helper()
	log, err := c.client.CoreV1().Pods("default").GetLogs(name, &options).DoRaw(t.Context())
	require.NoError(t, err)
	return string(log)
}

// BenchmarkBarePod takes the time from the request to create a pod until it is
// Ready, as a watch tells.
func BenchmarkBarePod(b *testing.B) {
	c, pods := newCluster(b), 0
	for b.Loop() {
		pods++
		name := fmt.Sprintf("bare-%d", pods)
		only := metav1.ListOptions{FieldSelector: "metadata.name=" + name}
		events, err := c.client.CoreV1().Pods("default").Watch(b.Context(), only)
		require.NoError(b, err)
		c.create(b, name)
		for event := range events.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok && ready(pod.Status) {
				break
			}
		}
		b.StopTimer()
		events.Stop()
		require.NoError(b, c.client.CoreV1().Pods("default").Delete(b.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
		b.StartTimer()
	}
}

func TestCluster(t *testing.T) {
	c := newCluster(t)
	t.Run("credential", c.credential)
	t.Run("exec", c.execs)
	t.Run("logs", c.logs)
	t.Run("ends", c.ends)
	t.Run("volumes follow their objects", c.follows)
	t.Run("the API server reaches pods, and nothing else", c.reaches)
	t.Run("deletion", c.deletion)
}

func (c *cluster) credential(t *testing.T) {
	c.create(t, "credential")
	pod := c.until(t, "credential", ready)
	const account = "/var/run/secrets/kubernetes.io/serviceaccount"
	out, err := c.exec(t, "credential", nil, "sh", "-c",
		`curl -sS --cacert `+account+`/ca.crt -H "Authorization: Bearer $(cat `+account+`/token)" https://kubernetes.default.svc/api/v1/namespaces/$(cat `+account+`/namespace)/services`)
	require.NoError(t, err)
	require.Contains(t, out, `User \"system:serviceaccount:default:default\" cannot list resource \"services\"`)
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(filepath.Join(c.dir, "audit.log"))
		require.NoError(t, err)
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, `"sourceIPs":["`+pod.Status.PodIP+`"]`) && strings.Contains(line, string(pod.UID)) {
				return true
			}
		}
		return false
	}, 5*time.Second, 50*time.Millisecond, "the API server saw the pod's address and identity")
	out, err = c.exec(t, "credential", nil, "hostname", "-i")
	require.NoError(t, err)
	require.Equal(t, pod.Status.PodIP+"\n", out)
}

func (c *cluster) execs(t *testing.T) {
	c.create(t, "execs")
	c.until(t, "execs", ready)
	for _, code := range []int{1, 42, 255} {
		_, err := c.exec(t, "execs", nil, "sh", "-c", "exit "+strconv.Itoa(code))
		var exit interface{ ExitStatus() int }
		require.True(t, errors.As(err, &exit), "%v", err)
		require.Equal(t, code, exit.ExitStatus())
	}
	_, err := c.exec(t, "execs", nil, "nosuch")
	require.ErrorContains(t, err, `exec: "nosuch": executable file not found in $PATH`)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	out, err := c.exec(t, "execs", data, "cat")
	require.NoError(t, err)
	require.Equal(t, len(data), len(out))
	out, err = c.exec(t, "execs", data, "wc", "-c", "/dev/stdin") // opened again, as curl does with a certificate
	require.NoError(t, err)
	require.Contains(t, out, "1048576")
}

func (c *cluster) logs(t *testing.T) {
	c.create(t, "logs", never, runs("sh", "-c", "echo one; echo two >&2; printf three"))
	c.until(t, "logs", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodSucceeded })
	for _, line := range []string{"one\n", "two\n", "three"} {
		require.Contains(t, c.log(t, "logs", corev1.PodLogOptions{}), line)
	}
	require.Empty(t, c.log(t, "logs", corev1.PodLogOptions{TailLines: new(int64(0))}))
	require.Len(t, c.log(t, "logs", corev1.PodLogOptions{LimitBytes: new(int64(3))}), 3)
	require.Contains(t, c.log(t, "logs", corev1.PodLogOptions{Follow: true, Timestamps: true}), "Z ")
}

func (c *cluster) ends(t *testing.T) {
	c.create(t, "memory", never, runs("awk", `BEGIN { s = "x"; while (1) s = s s }`), func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("32Mi")}
	})
	c.create(t, "string", runs("sleep infinity"))
	c.create(t, "loops", runs("sh", "-c", "echo again; exit 1"))
	require.Equal(t, int32(137), c.until(t, "memory", func(s corev1.PodStatus) bool { return s.Phase == corev1.PodFailed }).Status.ContainerStatuses[0].State.Terminated.ExitCode)
	pod := c.until(t, "string", waitsFor("RunContainerError"))
	require.Contains(t, pod.Status.ContainerStatuses[0].State.Waiting.Message, `exec: "sleep infinity": executable file not found in $PATH`)
	c.until(t, "loops", waitsFor("CrashLoopBackOff"))
	require.Equal(t, "again\n", c.log(t, "loops", corev1.PodLogOptions{Previous: true}))
}

func (c *cluster) follows(t *testing.T) {
	maps := c.client.CoreV1().ConfigMaps("default")
	created, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"key": "old"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	c.create(t, "follows", func(p *corev1.Pod) {
		source := &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}
		p.Spec.Volumes = []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{ConfigMap: source}}}
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "settings", MountPath: "/settings"}}
	})
	c.until(t, "follows", ready)
	created.Data["key"] = "new"
	_, err = maps.Update(t.Context(), created, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		out, err := c.exec(t, "follows", nil, "cat", "/settings/key")
		return err == nil && out == "new"
	}, 10*time.Second, 50*time.Millisecond)
}

func (c *cluster) reaches(t *testing.T) {
	core := c.client.CoreV1()
	c.create(t, "web", runs("sh", "-c", "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"), func(p *corev1.Pod) {
		p.Labels = map[string]string{"app": "web"}
		p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}}}
	})
	_, err := core.Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	c.until(t, "web", ready)
	body, err := core.Pods("default").ProxyGet("http", "web", "8080", "/", nil).DoRaw(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(body))
	require.Eventually(t, func() bool {
		body, err := core.Services("default").ProxyGet("http", "web", "80", "/", nil).DoRaw(t.Context())
		return err == nil && string(body) == "hello\n"
	}, 30*time.Second, 50*time.Millisecond, "through a service")
	require.Eventually(t, func() bool {
		events, err := core.Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=Service,involvedObject.name=web"})
		require.NoError(t, err)
		return len(events.Items) == 1 && events.Items[0].Reason == "NotSupported" && events.Items[0].Message == unreachable
	}, 30*time.Second, 50*time.Millisecond, "an event says that pods do not reach it")

	// The web server speaks no TLS, so a webhook of its service fails, but in its
	// own words.
	hooks := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = hooks.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "web.example.com", SideEffects: new(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "default", Name: "web", Port: new(int32(80))}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	var refused error
	require.Eventually(t, func() bool {
		_, refused = core.ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "x-"}}, metav1.CreateOptions{})
		return refused != nil
	}, 30*time.Second, 50*time.Millisecond, "the webhook is called")
	require.ErrorContains(t, refused, "server gave HTTP response to HTTPS client")
	require.NoError(t, hooks.Delete(t.Context(), "web", metav1.DeleteOptions{}))

	c.create(t, "elsewhere", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"nowhere": "true"} })
	address := `{"status": {"podIP": "10.244.200.1", "podIPs": [{"ip": "10.244.200.1"}]}}`
	_, err = core.Pods("default").Patch(t.Context(), "elsewhere", types.StrategicMergePatchType, []byte(address), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
	body, err = core.Pods("default").ProxyGet("http", "elsewhere", "80", "/", nil).DoRaw(t.Context())
	require.True(t, apierrors.IsServiceUnavailable(err), "%v", err)
	require.Contains(t, string(body), "no pod of this cluster has that address")
}

func (c *cluster) deletion(t *testing.T) {
	pods := c.client.CoreV1().Pods("default")
	gone := func(name string, within time.Duration) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, err := pods.Get(t.Context(), name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}, within, 20*time.Millisecond)
	}
	c.create(t, "asked", runs("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"))
	c.create(t, "deaf")
	c.until(t, "asked", ready)
	c.until(t, "deaf", ready)
	require.NoError(t, pods.Delete(t.Context(), "asked", metav1.DeleteOptions{}))
	gone("asked", 5*time.Second)
	began := time.Now()
	require.NoError(t, pods.Delete(t.Context(), "deaf", metav1.DeleteOptions{GracePeriodSeconds: new(int64(2))}))
	gone("deaf", 10*time.Second)
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second, "its grace is honoured")
}
