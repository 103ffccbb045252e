package wire

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNobodyReads sends more than the socket holds to an end that reads nothing.
func TestNobodyReads(t *testing.T) {
	usual := longestSend
	longestSend = 100 * time.Millisecond
	defer func() { longestSend = usual }()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(pair[1])
	conn, err := NewConn(os.NewFile(uintptr(pair[0]), "socket"))
	require.NoError(t, err)
	began := time.Now()
	require.ErrorIs(t, conn.Send(make([]byte, 16<<20)), os.ErrDeadlineExceeded)
	assert.Less(t, time.Since(began), 5*time.Second)
	assert.Error(t, conn.Send("next"), "whoever reads on would take it for the rest of the first")
}
