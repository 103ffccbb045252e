package chroot

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// ways are both, whichever this kernel has.
func ways(t *testing.T) map[string]socketUser {
	all := map[string]socketUser{"table": tableUser}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	if _, err := diagnosedUser(listener.Addr(), &net.TCPAddr{IP: net.IPv4zero}); err == nil {
		all["diagnosis"] = diagnosedUser
	}
	return all
}

func TestSocketUser(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer packets.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	for name, userOf := range ways(t) {
		for _, address := range []string{"127.0.0.1:" + port, "[::ffff:127.0.0.1]:" + port} {
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			user, err := userOf(conn.LocalAddr(), conn.RemoteAddr())
			require.NoError(t, err, "%s %s", name, address)
			require.Equal(t, os.Getuid(), user)
			elsewhere := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
			_, err = userOf(conn.LocalAddr(), elsewhere)
			require.Error(t, err, "%s: no such connection", name)
			require.NoError(t, conn.Close())
		}
		_, err := userOf(listener.Addr(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		require.Error(t, err, "%s: what listens is no connection", name)
		for _, own := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
			socket, err := net.ListenPacket("udp", own)
			require.NoError(t, err)
			from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: socket.LocalAddr().(*net.UDPAddr).Port}
			user, err := userOf(from, packets.LocalAddr())
			require.NoError(t, err, "%s %s", name, own)
			require.Equal(t, os.Getuid(), user)
			require.NoError(t, socket.Close())
			_, err = userOf(from, packets.LocalAddr())
			require.Error(t, err, "%s: it is closed", name)
		}
		conn, err := net.Dial("udp", packets.LocalAddr().String())
		require.NoError(t, err)
		user, err := userOf(conn.LocalAddr(), conn.RemoteAddr())
		require.NoError(t, err, name)
		require.Equal(t, os.Getuid(), user)
		require.NoError(t, conn.Close())
	}
}

// TestManySocketsSlowNoLookUpDown opens sockets beside the one that is looked
// for.
func TestManySocketsSlowNoLookUpDown(t *testing.T) {
	all := ways(t)
	if all["diagnosis"] == nil {
		t.Skip("this kernel has tables only")
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	for range min(5000, limit.Cur/3) {
		conn, err := net.Dial("tcp4", listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		accepted, err := listener.Accept()
		require.NoError(t, err)
		defer accepted.Close()
	}
	conn, err := net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	takes := func(userOf socketUser) time.Duration {
		start := time.Now()
		for range 20 {
			_, err := userOf(conn.LocalAddr(), conn.RemoteAddr())
			require.NoError(t, err)
		}
		return time.Since(start)
	}
	table, diagnosis := takes(all["table"]), takes(all["diagnosis"])
	t.Logf("20 look-ups beside many sockets: %v in the tables, %v without", table, diagnosis)
	require.Less(t, diagnosis, table/5)
}
