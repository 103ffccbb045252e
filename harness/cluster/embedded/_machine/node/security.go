package node

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/util/format"
	"k8s.io/kubernetes/pkg/securitycontext"
)

// defaultCapabilities are those that containerd gives a container of root
// (containerd/pkg/oci, defaultUnixCaps).
var defaultCapabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID",
	"SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
}

// rights is what a container's process may do.
type rights struct {
	identity
	capabilities    []string // without CAP_
	readOnlyRoot    bool
	noNewPrivileges bool
}

// rightsOf reads the security contexts of pod and container. An error is in
// the kubelet's words and keeps the container from being created.
func rightsOf(pod *corev1.Pod, c *corev1.Container, held *image) (rights, error) {
	context := securitycontext.DetermineEffectiveSecurityContext(pod, c)
	if context == nil {
		context = &corev1.SecurityContext{}
	}
	imageUser, numeric, err := held.users.user(held.config.User)
	if err != nil {
		return rights{}, err
	}
	if err := verifyNonRoot(pod, c, context, held.config.User, imageUser.user, numeric); err != nil {
		return rights{}, err
	}

	granted := rights{
		identity:        imageUser,
		capabilities:    capabilities(context.Capabilities),
		readOnlyRoot:    context.ReadOnlyRootFilesystem != nil && *context.ReadOnlyRootFilesystem,
		noNewPrivileges: securitycontext.AddNoNewPrivileges(context),
	}
	if context.RunAsUser != nil {
		granted.identity = held.users.byID(*context.RunAsUser)
	}
	if context.RunAsGroup != nil {
		granted.group = *context.RunAsGroup
	}
	if whole := pod.Spec.SecurityContext; whole != nil {
		if policy := whole.SupplementalGroupsPolicy; policy != nil && *policy == corev1.SupplementalGroupsPolicyStrict {
			granted.groups = nil
		}
		if whole.FSGroup != nil {
			granted.groups = append(granted.groups, *whole.FSGroup)
		}
		granted.groups = append(granted.groups, whole.SupplementalGroups...)
	}
	return granted, nil
}

func verifyNonRoot(pod *corev1.Pod, c *corev1.Container, context *corev1.SecurityContext, imageUser string, uid int64, numeric bool) error {
	if context.RunAsNonRoot == nil || !*context.RunAsNonRoot {
		return nil
	}
	where := fmt.Sprintf("(pod: %q, container: %s)", format.Pod(pod), c.Name)
	switch {
	case context.RunAsUser != nil && *context.RunAsUser == 0:
		return fmt.Errorf("container's runAsUser breaks non-root policy %s", where)
	case context.RunAsUser != nil:
		return nil
	case !numeric:
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", imageUser, where)
	case uid == 0:
		return fmt.Errorf("container has runAsNonRoot and image will run as root %s", where)
	}
	return nil
}

// capabilities adds to the default set and takes from it, in containerd's
// order: what is named wins over ALL.
func capabilities(asked *corev1.Capabilities) []string {
	set := slices.Clone(defaultCapabilities)
	if asked == nil {
		return set
	}
	name := func(c corev1.Capability) string { return strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_") }
	if slices.ContainsFunc(asked.Drop, func(c corev1.Capability) bool { return name(c) == "ALL" }) {
		set = nil
	}
	for _, c := range asked.Add {
		if !slices.Contains(set, name(c)) {
			set = append(set, name(c))
		}
	}
	for _, c := range asked.Drop {
		set = slices.DeleteFunc(set, func(has string) bool { return has == name(c) })
	}
	return set
}

// asksUnconfined reports whether a container is to have no seccomp filter. It
// has one all the same, the default profile that those have which ask for
// nothing: the signing keys of the cluster are on this machine.
func asksUnconfined(pod *corev1.Pod, c *corev1.Container) bool {
	var profile *corev1.SeccompProfile
	if own := c.SecurityContext; own != nil && own.SeccompProfile != nil {
		profile = own.SeccompProfile
	} else if whole := pod.Spec.SecurityContext; whole != nil {
		profile = whole.SeccompProfile
	}
	return profile != nil && profile.Type == corev1.SeccompProfileTypeUnconfined
}

// volumeUser is the user that all containers of the pod share, if they do: the
// token belongs to it.
func volumeUser(pod *corev1.Pod) *int64 {
	var user *int64
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		as, ok := securitycontext.DetermineEffectiveRunAsUser(pod, &c)
		if !ok || user != nil && *user != *as {
			return nil
		}
		user = as
	}
	return user
}
