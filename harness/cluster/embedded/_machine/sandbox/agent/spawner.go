package main

import (
	"errors"
	"os"
	"syscall"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

// spawn starts agents until the socket closes. They are children of this
// process's parent, which waits for them.
func spawn() {
	unix.CloseOnExec(socketDescriptor)
	unix.CloseOnExec(binaryDescriptor)
	program := os.NewFile(binaryDescriptor, "sandbox")
	conn, err := wire.NewConn(os.NewFile(socketDescriptor, "socket"))
	for err == nil {
		var request wire.Spawn
		var files []int
		if files, err = conn.Receive(&request); err == nil {
			err = conn.Send(spawned(program, request, files))
		}
	}
}

func spawned(program *os.File, request wire.Spawn, files []int) wire.Spawned {
	if len(files) != 1 {
		wire.CloseAll(files)
		return wire.Spawned{Errno: unix.EINVAL}
	}
	socket := os.NewFile(uintptr(files[0]), "agent")
	defer socket.Close()
	request.Attributes.Cloneflags |= unix.CLONE_PARENT
	process, err := os.StartProcess(wire.AgentPath, []string{wire.AgentName}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{os.Stdin, os.Stdin, os.Stderr, socket, program}, Sys: &request.Attributes,
	})
	if err != nil {
		var errno syscall.Errno
		if !errors.As(err, &errno) {
			errno = unix.EINVAL
		}
		return wire.Spawned{Errno: errno}
	}
	defer process.Release()
	return wire.Spawned{PID: process.Pid}
}
