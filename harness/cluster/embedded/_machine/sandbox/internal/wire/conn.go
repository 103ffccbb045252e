package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// longest bounds a message: a pod's volumes hold a few MiB each at most.
const longest = 64 << 20

// maxFiles is how many descriptors one message may carry; the kernel's own
// limit is 253.
const maxFiles = 64

// Conn is one end of the socket between node and agent. Send may be called
// concurrently, Receive from one goroutine.
type Conn struct {
	unix    *net.UnixConn
	sending sync.Mutex
}

// NewConn takes over a connected stream socket; it closes the file.
func NewConn(file *os.File) (*Conn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("using the socket: %w", err)
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("using the socket: it is a %T", conn)
	}
	return &Conn{unix: socket}, nil
}

// Close ends both directions: a Receive that waits returns.
func (c *Conn) Close() error { return c.unix.Close() }

// longestSend is how long the other end may leave a message unread. Tests set it.
var longestSend = 30 * time.Second

// Send writes a message and descriptors. The caller keeps and closes its own. After an error of the socket the connection is closed: a part of a
// message may have been sent.
func (c *Conn) Send(message any, files ...int) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if len(body) > longest || len(files) > maxFiles {
		return fmt.Errorf("a message of %d bytes and %d descriptors is too long", len(body), len(files))
	}
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	c.sending.Lock()
	defer c.sending.Unlock()
	err = c.unix.SetWriteDeadline(time.Now().Add(longestSend))
	if err == nil {
		_, _, err = c.unix.WriteMsgUnix(header, rights, nil)
	}
	if err == nil {
		_, err = c.unix.Write(body)
	}
	if err != nil {
		c.unix.Close()
	}
	return err
}

// Receive reads the next message into message and returns its descriptors,
// close-on-exec. io.EOF: the other end closed.
func (c *Conn) Receive(message any) ([]int, error) {
	header, rights := make([]byte, 4), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oob, _, _, err := c.unix.ReadMsgUnix(header, rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	files, err := descriptors(rights[:oob])
	if err != nil {
		return nil, err
	}
	if err := c.body(header, n, message); err != nil {
		CloseAll(files)
		return nil, err
	}
	return files, nil
}

// body reads the rest of a message of whose header n bytes are there.
func (c *Conn) body(header []byte, n int, message any) error {
	if _, err := io.ReadFull(c.unix, header[n:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(header)
	if size > longest {
		return fmt.Errorf("a message of %d bytes is too long", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.unix, body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, message); err != nil {
		return fmt.Errorf("decoding a message: %w", err)
	}
	return nil
}

func descriptors(control []byte) ([]int, error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("reading descriptors: %w", err)
	}
	var all []int
	for i := range messages {
		files, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			CloseAll(all)
			return nil, fmt.Errorf("reading descriptors: %w", err)
		}
		all = append(all, files...)
	}
	return all, nil
}

// CloseAll closes descriptors that Receive returned.
func CloseAll(files []int) {
	for _, file := range files {
		unix.Close(file)
	}
}
