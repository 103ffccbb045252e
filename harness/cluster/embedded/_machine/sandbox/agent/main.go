// Command agent is the process that holds a pod: PID 1 of the pod's PID namespace, root of its user namespace.
//
// Package sandbox starts it, with a socket as descriptor 3 and the agent's own file as descriptor 4. It does what the requests
// on the socket say. When the socket closes it exits, and the kernel ends every process of the pod with it.
//
// Containers are its children, forked without a further copy of this program in between: see program.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"rolecall.build/machine/sandbox/internal/wire"

	"golang.org/x/sys/unix"
)

const (
	socketDescriptor = 3
	binaryDescriptor = 4
)

// init keeps the main goroutine on the process's first thread: a container is made by a thread that changes its own namespaces and
// ends afterwards, and the first one cannot end.
func init() { runtime.LockOSThread() }

func main() {
	unix.CloseOnExec(socketDescriptor)
	unix.Close(binaryDescriptor)
	unix.Umask(0)
	debug.SetGCPercent(50)
	limitOwnMemory()
	conn, err := wire.NewConn(os.NewFile(socketDescriptor, "socket"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox agent:", err)
		os.Exit(1)
	}
	p := &pod{
		conn: conn, images: map[string]image{}, volumes: map[string]*os.Root{},
		processes: map[int]*process{}, containers: map[string]*container{},
	}
	go p.reap()
	for {
		var request wire.Request
		files, err := conn.Receive(&request)
		if err != nil {
			p.leave() // The node is gone or closed the pod.
		}
		if request.Boot != nil { // Nothing else comes before it is answered, and it has to be done by a thread that stays.
			p.answer(request, files)
			continue
		}
		go p.answer(request, files)
	}
}

// ownMemory is more than the agent ever needs: its largest messages are those with a pod's volumes, of a few MiB each.
const ownMemory = 512 << 20

// limitOwnMemory lets the agent end, and the kernel its pod, before it takes the machine's memory, whatever makes it want so much.
func limitOwnMemory() {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_DATA, &limit)
	if err == nil {
		limit.Cur = min(ownMemory, limit.Max)
		err = unix.Setrlimit(unix.RLIMIT_DATA, &limit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox agent: limiting its memory:", err)
		os.Exit(1)
	}
}

// leave ends the agent, and with it all that runs in the pod: by the kernel's hand where the pod is a PID namespace.
func (p *pod) leave() {
	if p.room != nil {
		p.vacate()
	}
	os.Exit(0)
}

// serveForks runs on one thread what has to start processes there.
func serveForks(forks <-chan func()) {
	runtime.LockOSThread()
	for fork := range forks {
		fork()
	}
}
