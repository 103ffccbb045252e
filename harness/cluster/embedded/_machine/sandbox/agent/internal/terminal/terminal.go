// Package terminal makes the pair behind a process's TTY.
package terminal

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Terminal is the pair; -1: closed, or none.
type Terminal struct{ master, slave int }

// Standard returns the descriptors that a process gets, standard input, output
// and error and then the cgroups to join: those that came with a request, or
// the terminal's that open makes.
func Standard(tty bool, files []int, open func() (*Terminal, error)) (*Terminal, []int, error) {
	if !tty {
		if len(files) < 3 {
			return nil, nil, fmt.Errorf("%d standard files, not 3", len(files))
		}
		return &Terminal{-1, -1}, files, nil
	}
	t, err := open()
	if err != nil {
		return nil, nil, fmt.Errorf("making a terminal: %w", err)
	}
	return t, append([]int{t.slave, t.slave, t.slave}, files...), nil
}

// Open makes a terminal by a folder's multiplexer (pts(4)). The process's end
// becomes user's and group's; -1: as the kernel has it.
func Open(folder int, multiplexer string, user, group int) (*Terminal, error) {
	master, err := unix.Openat(folder, multiplexer, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t := &Terminal{master, -1}
	if err := t.openSlave(user, group); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Terminal) openSlave(user, group int) error {
	var unlocked int32
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.master), unix.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlocked))); errno != 0 {
		return errno
	}
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return errno
	}
	t.slave = int(slave)
	if user < 0 && group < 0 {
		return nil
	}
	return unix.Fchown(t.slave, user, group)
}

// TakeMaster gives the master away, -1 if there is none.
func (t *Terminal) TakeMaster() int {
	master := t.master
	t.master = -1
	return master
}

// Close closes what was not given away.
func (t *Terminal) Close() {
	for _, file := range []int{t.master, t.slave} {
		if file >= 0 {
			unix.Close(file)
		}
	}
}
