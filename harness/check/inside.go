package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rolecall/harness/next"
)

// insideTime bounds a command of ours in a learner's pod.
const insideTime = 12 * time.Second

// Inside runs a command of ours in a container of a pod of the learner's, and
// returns what it wrote and its exit status. Where it does not run there, or
// does not end, that is a *Failure, unless a pod of ours runs nothing either.
func (e *Env) Inside(ctx context.Context, pod *corev1.Pod, container string, command ...string) (stdout, stderr string, status int, err error) {
	bounded, cancel := context.WithTimeout(ctx, insideTime)
	defer cancel()
	out, errs, status, err := e.Exec(bounded, pod.Namespace, pod.Name, container, nil, command...)
	if err == nil {
		return string(out), strings.TrimSpace(string(errs)), status, nil
	}
	return "", "", 0, e.notRun(ctx, pod, container, err, command...)
}

// notRun is what it means that a command of ours was not run in a container of
// a pod of the learner's, or did not end, for that reason: a *Failure, unless a
// pod of ours runs nothing either, or is as slow.
func (e *Env) notRun(ctx context.Context, pod *corev1.Pod, container string, reason error, command ...string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	got := e.whyNot(ctx, pod, command[0], reason)
	tried := []string{"true"}
	if errors.Is(reason, context.DeadlineExceeded) {
		tried = command
	}
	if err := e.controlRuns(ctx, pod.Spec.NodeName, tried...); err != nil {
		return err
	}
	return &Failure{
		Want: fmt.Sprintf("%s runs in the container %s", command[0], container),
		Got:  got,
		Hint: "Use the image " + e.Image + " as it is, and let nothing in the pod replace or end what is run in it.",
	}
}

// controlRuns runs a command in a new pod of ours on that node, or on any where it
// is "". The error is ours, and where it has not ended in half of the time that one
// has in a learner's pod, the machine is too slow to tell.
func (e *Env) controlRuns(ctx context.Context, node string, command ...string) error {
	control, err := e.control(ctx, node)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, insideTime/2)
	defer cancel()
	_, _, _, err = e.Exec(bounded, control.Namespace, control.Name, callerName, nil, command...)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = next.Errorf("try again when the machine has less to do", "running %s in a pod of ours: not done after %s", command[0], insideTime/2)
	}
	return err
}

// whyNot says what was found instead of a command that runs in a pod and ends.
func (e *Env) whyNot(ctx context.Context, pod *corev1.Pod, program string, err error) string {
	now, getErr := e.Client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(getErr), getErr == nil && (now.UID != pod.UID || now.DeletionTimestamp != nil):
		return "the pod was deleted"
	case errors.Is(err, errOutputTooLong):
		return fmt.Sprintf("more than %d bytes of output", MaxOutput)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("a command that had not ended after %s", insideTime)
	case strings.Contains(err.Error(), "executable file not found"), strings.Contains(err.Error(), "no such file or directory"):
		return "no program called " + program
	}
	return "a container in which nothing can be started"
}

// Age is how long a container's first process has been running, by the
// container's own account. Where it gives none, it is taken for old.
func (e *Env) Age(ctx context.Context, pod *corev1.Pod, container string) (age time.Duration, running bool, err error) {
	const old = time.Hour
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _, status, err := e.Exec(bounded, pod.Namespace, pod.Name, container, nil, "cat", "/proc/uptime", "/proc/1/stat")
	switch {
	case ctx.Err() != nil:
		return 0, false, ctx.Err()
	case err != nil && strings.Contains(err.Error(), "container not found"):
		return 0, false, nil
	case err != nil || status != 0:
		return old, true, nil // whether the image has its tools is another check's matter
	}
	if age, err = ageOf(string(out)); err != nil {
		return old, true, nil
	}
	return age, true, nil
}

// ageOf reads /proc/uptime (seconds since the boot) and the 22nd field of
// /proc/1/stat (hundredths of a second from the boot to its start; proc(5)).
func ageOf(proc string) (time.Duration, error) {
	first, stat, _ := strings.Cut(proc, "\n")
	var uptime, started float64
	_, err := fmt.Sscan(first, &uptime)
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:]) // the name between brackets may hold spaces; state is the 3rd field
	if err == nil && len(fields) > 19 {
		_, err = fmt.Sscan(fields[19], &started)
	}
	if err != nil || started == 0 {
		return 0, fmt.Errorf("reading the age of a process from %q", Printable(proc, 300))
	}
	return time.Duration((uptime - started/100) * float64(time.Second)), nil
}
