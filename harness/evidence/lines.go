package evidence

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"sync"
)

// lines is a compressed file of JSON lines that may be written to until it is
// closed, and without effect after that: whoever follows a log ends later.
type lines struct {
	mu     sync.Mutex
	file   *os.File
	packed *gzip.Writer
	closed bool
}

func newLines(name string) (*lines, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &lines{file: file, packed: gzip.NewWriter(file)}, nil
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil
	}
	return l.packed.Write(p)
}

func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return errors.Join(l.packed.Close(), l.file.Sync(), l.file.Close())
}

// eachLine reads the values of a file of JSON lines. What is not a whole line,
// as at the ends of a log that is cut out of a longer one, is passed over.
func eachLine[T any](name string, visit func(T)) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	scanner := bufio.NewScanner(unpacked)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var value T
		if json.Unmarshal(scanner.Bytes(), &value) == nil {
			visit(value)
		}
	}
	return scanner.Err()
}
