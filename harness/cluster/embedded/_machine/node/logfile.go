package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/cri-client/pkg/logs"
)

const (
	stdoutName = "stdout"
	stderrName = "stderr"

	// logSize is when a log file is put aside for a new one; one is kept. The
	// kubelet's default is the same.
	logSize = 10 << 20
	// longestLine is where a runtime cuts a line in two.
	longestLine = 16 << 10
)

// logFile is one run's log, in the format of the container runtime interface:
// time, stream, F for a full line or P for a part of one, text.
type logFile struct {
	path string

	mu      sync.Mutex
	file    *os.File
	written int64
}

func newLogFile(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l := &logFile{path: path}
	return l, l.open()
}

func (l *logFile) open() (err error) {
	l.file, err = os.OpenFile(l.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	l.written = 0
	return err
}

// Close ends the log. What is written later is lost.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (l *logFile) append(lines []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return os.ErrClosed
	}
	n, err := l.file.Write(lines)
	l.written += int64(n)
	if err != nil || l.written < logSize {
		return err
	}
	_ = l.file.Close()
	_ = os.Rename(l.path, l.path+".1")
	return l.open()
}

// tail is the end of the log's text: at most that many lines and bytes.
func (l *logFile) tail(lines, length int) string {
	content, err := os.ReadFile(l.path)
	if err != nil {
		return ""
	}
	var text []string
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) == 4 {
			text = append(text, fields[3]+"\n")
		}
	}
	end := strings.Join(text[max(0, len(text)-lines):], "")
	return end[max(0, len(end)-length):]
}

// logStream splits one stream into lines.
type logStream struct {
	log  *logFile
	name string
	rest []byte
}

func (l *logFile) stream(name string) *logStream { return &logStream{log: l, name: name} }

// Write logs the whole lines, and keeps the rest for later.
func (s *logStream) Write(data []byte) (int, error) {
	var out []byte
	now := time.Now()
	s.rest = append(s.rest, data...)
	for {
		end := bytes.IndexByte(s.rest, '\n')
		switch {
		case end >= 0 && end <= longestLine:
			out = s.line(out, now, "F", s.rest[:end])
			s.rest = s.rest[end+1:]
		case len(s.rest) > longestLine:
			out = s.line(out, now, "P", s.rest[:longestLine])
			s.rest = s.rest[longestLine:]
		default:
			s.rest = bytes.Clone(s.rest)
			return len(data), s.log.append(out)
		}
	}
}

func (s *logStream) line(to []byte, now time.Time, tag string, text []byte) []byte {
	to = now.AppendFormat(to, logs.RFC3339NanoLenient)
	to = append(to, ' ')
	to = append(to, s.name...)
	to = append(to, ' ')
	to = append(to, tag...)
	to = append(to, ' ')
	to = append(to, text...)
	return append(to, '\n')
}

// Close logs a last line that has no newline.
func (s *logStream) Close() error {
	if len(s.rest) == 0 {
		return nil
	}
	return s.log.append(s.line(nil, time.Now(), "P", s.rest))
}
