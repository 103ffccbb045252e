package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"rolecall/harness/next"
)

// Possible tries whether this machine lets us isolate pods: in namespaces of
// their own, or else, where root is given none, as chroots; weaker then says
// so. The error says what is missing for either.
func Possible() (weaker string, err error) {
	err = namespaces()
	if err != nil && chroots() {
		return fmt.Sprintf("pods are chroots with users of their own here, which share the network and have no /proc, because namespaces are unavailable (%v)", err), nil
	}
	if err != nil {
		err = next.Errorf("make doctor", "trying namespaces for the embedded cluster's pods: %w", err)
	}
	return "", err
}

// chroots reports whether pods can at least be chroots. That takes root with
// the capabilities (linux/capability.h) CHOWN, DAC_OVERRIDE, FOWNER, KILL,
// SETGID, SETUID, NET_BIND_SERVICE, SYS_CHROOT and MKNOD, which root of a
// container usually has.
func chroots() bool {
	const needed = 1<<0 | 1<<1 | 1<<3 | 1<<5 | 1<<6 | 1<<7 | 1<<10 | 1<<18 | 1<<27
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	_, effective, _ := strings.Cut(string(status), "CapEff:")
	digits, _, _ := strings.Cut(strings.TrimSpace(effective), "\n")
	has, err := strconv.ParseUint(digits, 16, 64)
	return err == nil && has&needed == needed
}

// namespaces tries to start a process in those that a pod gets, and to change
// its root there. Some machines grant anybody a user namespace but no
// capability in it, which shows in the second only: Ubuntu's AppArmor is one.
func namespaces() error {
	cmd := exec.Command("/proc/self/exe", "-h")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:      "/",
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = cmd.Process.Kill() // all we wanted to know is whether it starts
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// forgets asks the machine to forget what its objects were.
const forgets = syscall.SIGUSR1
