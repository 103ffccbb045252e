package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// terminal is the pair behind a process's TTY; zero: none.
type terminal struct {
	master, slave int
}

// standard returns the descriptors that a process gets, standard input, output and error and then the cgroups to join: those that came with
// the request, or a terminal's. The calling thread's root must be the container's.
func (p *pod) standard(c *container, tty bool, files []int) (*terminal, []int, error) {
	if !tty {
		if len(files) < 3 {
			return nil, nil, fmt.Errorf("%d standard files, not 3", len(files))
		}
		return &terminal{-1, -1}, files, nil
	}
	t, err := p.newTerminal(c)
	if err != nil {
		return nil, nil, fmt.Errorf("making a terminal: %w", err)
	}
	return t, append([]int{t.slave, t.slave, t.slave}, files...), nil
}

func (p *pod) newTerminal(c *container) (*terminal, error) {
	folder, name := unix.AT_FDCWD, "/dev/pts/ptmx"
	if p.room != nil {
		folder, name = p.room.terminals, "ptmx"
	}
	master, err := unix.Openat(folder, name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t := &terminal{master, -1}
	var unlocked int32
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlocked))); errno != 0 {
		t.close()
		return nil, errno
	}
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.close()
		return nil, errno
	}
	t.slave = int(slave)
	if !c.oneID {
		if err := unix.Fchown(t.slave, int(c.spec.User), -1); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// take gives the master away, -1 if there is none.
func (t *terminal) take() int {
	master := t.master
	t.master = -1
	return master
}

func (t *terminal) close() {
	for _, file := range []int{t.master, t.slave} {
		if file >= 0 {
			unix.Close(file)
		}
	}
}
