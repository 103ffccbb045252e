package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Possible tries whether this machine lets us give a pod name spaces of its
// own. The error says what is missing.
func Possible() error {
	cmd := exec.Command("/proc/self/exe", "-h")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err := cmd.Start()
	if err != nil {
		return fmt.Errorf("trying name spaces for the embedded cluster's pods: %w; type make doctor", err)
	}
	_ = cmd.Process.Kill() // it was started, and that is all we wanted to know
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("trying name spaces for the embedded cluster's pods: %w", err)
	}
	return nil
}

// apart keeps a terminal's signals from the machine.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
