package node

import (
	"os"
	goruntime "runtime"
	"strings"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/version"
)

// maxPods is the kubelet's default.
const maxPods = 110

// capacity is what the machine has.
func capacity() corev1.ResourceList {
	memory := int64(1 << 30)
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		memory = int64(info.Totalram) * int64(info.Unit)
	}
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(goruntime.NumCPU()), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(maxPods, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(memory/2, resource.BinarySI), // it is memory too
	}
}

// object is the Node as a kubelet registers it, with its API at port.
func (n *node) object(port int32) *corev1.Node {
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.config.Name, Labels: map[string]string{
			corev1.LabelArchStable: goruntime.GOARCH, "beta.kubernetes.io/arch": goruntime.GOARCH,
			corev1.LabelOSStable: goruntime.GOOS, "beta.kubernetes.io/os": goruntime.GOOS,
			corev1.LabelHostname: n.config.Name,
		}},
		Spec: corev1.NodeSpec{PodCIDR: podNetwork.String(), PodCIDRs: []string{podNetwork.String()}},
		Status: corev1.NodeStatus{
			Capacity: n.capacity, Allocatable: n.capacity,
			Conditions: []corev1.NodeCondition{
				condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
				condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
				condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
				condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
			},
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: hostAddress},
				{Type: corev1.NodeHostName, Address: n.config.Name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
			NodeInfo:        systemInfo(),
		},
	}
	for _, image := range n.images {
		size := int64(0)
		if info, err := os.Stat(image.archive); err == nil {
			size = info.Size()
		}
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{Names: []string{image.ref}, SizeBytes: size})
	}
	return node
}

func systemInfo() corev1.NodeSystemInfo {
	read := func(file string) string {
		content, _ := os.ReadFile(file)
		return strings.TrimSpace(string(content))
	}
	kubernetes := version.Get().GitVersion
	return corev1.NodeSystemInfo{
		MachineID: read("/etc/machine-id"), BootID: read("/proc/sys/kernel/random/boot_id"),
		KernelVersion: read("/proc/sys/kernel/osrelease"), OSImage: osName(),
		ContainerRuntimeVersion: runtimeName + "://" + strings.TrimPrefix(kubernetes, "v"),
		KubeletVersion:          kubernetes,
		OperatingSystem:         goruntime.GOOS, Architecture: goruntime.GOARCH,
	}
}

func osName() string {
	content, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return "Linux"
}
