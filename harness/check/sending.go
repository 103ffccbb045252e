package check

import (
	"bytes"
	"sync"
	"time"
)

// sending is a program on its way to a pod. The program's time begins when the
// last of it has been sent.
type sending struct {
	content *bytes.Reader
	within  time.Duration
	limit   *time.Timer

	mu   sync.Mutex
	sent time.Time // zero: not yet
}

// send calls end when the program is not sent within sendTime, or has not been
// stopped within that time afterwards.
func send(program []byte, within time.Duration, end func()) *sending {
	return &sending{content: bytes.NewReader(program), within: within, limit: time.AfterFunc(sendTime, end)}
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.content.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.content.Len() == 0 && s.sent.IsZero() {
		s.sent = time.Now()
		s.limit.Reset(s.within)
	}
	return n, err
}

func (s *sending) stop() { s.limit.Stop() }

// done reports whether the program has been sent, and how long ago.
func (s *sending) done() (ago time.Duration, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent.IsZero() {
		return 0, false
	}
	return time.Since(s.sent), true
}
