// Package server answers the node's requests.
package server

import (
	"errors"
	"os"

	"rolecall.build/machine/sandbox/agent/internal/forkexec"
	"rolecall.build/machine/sandbox/internal/wire"
)

// Server is the agent's end of the socket.
type Server struct {
	conn  *wire.Conn
	leave func()
}

// Handler does what a request asks. It adds to the reply, and returns the
// descriptors that go with it, which are closed once it is sent. Those that
// came with the request are closed when it returns.
type Handler func(request wire.Request, files []int, reply *wire.Reply) ([]int, error)

// New makes a server on a connection. When the node is gone, leave ends what
// the kernel does not end with the agent, and the agent exits.
func New(conn *wire.Conn, leave func()) *Server { return &Server{conn, leave} }

// Serve answers each request by itself, for ever.
func (s *Server) Serve(handle Handler) {
	for {
		var request wire.Request
		files, err := s.conn.Receive(&request)
		if err != nil {
			s.exit() // the node is gone or closed the pod
		}
		go s.Answer(request, files, handle)
	}
}

// Answer answers one request.
func (s *Server) Answer(request wire.Request, files []int, handle Handler) {
	defer wire.CloseAll(files)
	reply := wire.Reply{ID: request.ID}
	sent, err := handle(request, files, &reply)
	defer wire.CloseAll(sent)
	if err != nil {
		reply.Error = err.Error()
		var start *forkexec.StartError
		if errors.As(err, &start) {
			reply.Code = start.Code
		}
	}
	if err := s.conn.Send(reply, sent...); err != nil {
		s.exit()
	}
}

// Exited says how what a request started has ended. It does not wait for leave,
// during which children have to be waited for.
func (s *Server) Exited(request uint64, exit wire.Exit) {
	if err := s.conn.Send(wire.Reply{ID: request, Exit: &exit}); err != nil {
		go s.exit()
	}
}

func (s *Server) exit() {
	s.leave()
	os.Exit(0)
}

// One is a descriptor to reply with, none if it is negative.
func One(file int, err error) ([]int, error) {
	if err != nil || file < 0 {
		return nil, err
	}
	return []int{file}, nil
}
