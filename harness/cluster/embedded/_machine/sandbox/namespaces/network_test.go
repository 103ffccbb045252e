package namespaces

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rolecall.build/machine/sandbox"
	"rolecall.build/machine/sandbox/testdata/podtest"
)

func TestListenersInsideAPod(t *testing.T) {
	p := newPod(t, newRuntime(t))
	listener, err := p.Listen("tcp", podtest.Service+":443")
	require.NoError(t, err)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, conn.RemoteAddr().(*net.TCPAddr).IP.String())
			conn.Close()
		}
	}()
	podtest.Sleeping(t, p, func(c *sandbox.ContainerSpec) { c.User, c.Group = 1000, 1000 })
	output, _ := podtest.Executes(t, p, "dial", podtest.Service+":443")
	require.Equal(t, podtest.Service, output, "the kernel picks the same address for what is local")

	packets, err := p.ListenPacket("udp", podtest.Service+":53")
	require.NoError(t, err)
	go func() {
		buffer := make([]byte, 100)
		n, from, err := packets.ReadFrom(buffer)
		if err == nil {
			packets.WriteTo(append([]byte("you said "), buffer[:n]...), from)
		}
	}()
	output, _ = podtest.Executes(t, p, "send", podtest.Service+":53", "hello")
	require.Equal(t, "you said hello", output)

	_, err = p.Listen("tcp", "10.0.0.1:1")
	require.ErrorContains(t, err, "cannot assign requested address")
	_, err = p.Listen("unix", "x")
	require.ErrorContains(t, err, "unknown network")
}

func TestDialIntoAPod(t *testing.T) {
	p := newPod(t, newRuntime(t))
	spec := podtest.Command("serve", podtest.Own+":80", "from inside")
	spec.User, spec.Group = 1000, 1000 // ports below 1024 are free to all, as with containerd
	_, err := p.Run(t.Context(), spec)
	require.NoError(t, err)
	var conn net.Conn
	podtest.Eventually(t, "the server answers", func() bool {
		conn, err = p.Dial(t.Context(), "tcp", podtest.Own+":80")
		return err == nil
	})
	content, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, "from inside", string(content))
	_, err = p.Dial(t.Context(), "tcp", podtest.Own+":81")
	require.ErrorContains(t, err, "connection refused")
	_, err = p.Dial(t.Context(), "tcp", "192.0.2.1:80")
	require.ErrorContains(t, err, "network is unreachable")
}

func TestTheHostsLoopbackIsNotAPods(t *testing.T) {
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer outside.Close()
	p := newPod(t, newRuntime(t))
	output, _ := podtest.Runs(t, p, podtest.Command("dial", outside.Addr().String()))
	require.Contains(t, output, "connection refused")
}

func TestACancelledStartLeavesNothing(t *testing.T) {
	r := newRuntime(t)
	p := newPod(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Run(ctx, podtest.Command("sleep"))
	require.ErrorIs(t, err, context.Canceled)
	podtest.Eventually(t, "the container ended", func() bool {
		_, err := p.Run(context.Background(), podtest.Command("true"))
		return err == nil
	})
	_, err = r.Start(ctx, podtest.PodSpec())
	require.Error(t, err)
}

func TestClosingEndsListenersAndCalls(t *testing.T) {
	p := newPod(t, newRuntime(t))
	listener, err := p.Listen("tcp", podtest.Own+":80")
	require.NoError(t, err)
	process, err := p.Run(t.Context(), podtest.Command("sleep"))
	require.NoError(t, err)
	require.NoError(t, p.Close())
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = process.Wait()
	require.ErrorIs(t, err, sandbox.ErrGone)
	_, err = p.Run(t.Context(), podtest.Command("true"))
	require.ErrorIs(t, err, sandbox.ErrGone)
	require.ErrorIs(t, p.SetVolume("x", sandbox.Volume{}), sandbox.ErrGone)
	require.NoError(t, p.Close(), "a second time")
	select {
	case <-p.Done():
	case <-time.After(time.Second):
		require.Fail(t, "Done is not closed")
	}
	_, err = os.Stat("/proc/self")
	require.NoError(t, err)
}
