// Command agent is the process that holds a pod, or a container that is a
// chroot.
//
// The node starts it, with a socket as descriptor 3 and the agent's own file as
// descriptor 4. It does what the requests on the socket say; the first says
// which of the two it is. When the socket closes it ends, and with it all that
// it started.
//
// Containers are its children, forked without a further copy of this program in
// between: see package forkexec.
//
// Under another name it is the spawner: see spawn.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"rolecall.build/machine/sandbox/agent/chroot"
	"rolecall.build/machine/sandbox/agent/namespaces"
	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

const (
	socketDescriptor = 3
	binaryDescriptor = 4
)

// init keeps the main goroutine on the process's first thread: a container is
// made by a thread that changes its own namespaces and ends afterwards, and the
// first one cannot end.
func init() { runtime.LockOSThread() }

func main() {
	if os.Args[0] == wire.SpawnerName {
		spawn()
		return
	}
	unix.CloseOnExec(socketDescriptor)
	unix.Close(binaryDescriptor)
	unix.Umask(0)
	debug.SetGCPercent(50)
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox agent:", err)
		os.Exit(1)
	}
}

// run does not return unless it fails before the first request is answered.
func run() error {
	if err := limitMemory(); err != nil {
		return err
	}
	conn, err := wire.NewConn(os.NewFile(socketDescriptor, "socket"))
	if err != nil {
		return err
	}
	var first wire.Request
	files, err := conn.Receive(&first)
	if err != nil {
		return err
	}
	wire.CloseAll(files)
	switch {
	case first.Pod != nil:
		namespaces.Serve(conn, first)
	case first.Chroot != nil:
		chroot.Serve(conn, first)
	}
	return errors.New("the first request is for neither a pod nor a chroot")
}

// ownMemory is more than the agent ever needs: its largest messages are those
// with a pod's volumes, of a few MiB each.
const ownMemory = 512 << 20

// limitMemory lets the agent end, and the kernel its pod, before it takes the
// machine's memory, whatever makes it want so much.
func limitMemory() error {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_DATA, &limit)
	if err == nil {
		limit.Cur = min(ownMemory, limit.Max)
		err = unix.Setrlimit(unix.RLIMIT_DATA, &limit)
	}
	if err != nil {
		return fmt.Errorf("limiting its memory: %w", err)
	}
	return nil
}
