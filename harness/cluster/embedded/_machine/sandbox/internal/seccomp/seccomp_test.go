package seccomp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilters runs the filters on calls, without making them.
func TestFilters(t *testing.T) {
	const allowed, missing, admin = uint32(unix.SECCOMP_RET_ALLOW), notImplemented, "SYS_ADMIN"
	usual, watched, shared := &Filters{}, &Filters{Stricter: WithoutCgroup()}, &Filters{Stricter: WithoutNamespaces(true)}
	unrestricted := &Filters{Stricter: WithoutNamespaces(false)}
	for _, try := range []struct {
		filters      *Filters
		capabilities []string
		call         string
		arguments    []uint64
		want         uint32
	}{
		{usual, nil, "read", nil, allowed},
		{usual, nil, "ptrace", nil, allowed},
		{usual, nil, "unshare", nil, notPermitted},
		{usual, []string{admin}, "unshare", nil, allowed},
		{usual, []string{"CAP_" + admin}, "setns", nil, allowed},
		{usual, []string{admin}, "io_uring_setup", nil, notPermitted},
		{usual, nil, "clone", []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allowed},
		{usual, nil, "clone", []uint64{unix.CLONE_NEWUSER | unix.CLONE_VM}, notPermitted},
		{usual, nil, "clone3", nil, missing},
		{usual, []string{admin}, "clone3", nil, allowed},
		{usual, nil, "keyctl", nil, notPermitted},
		{usual, nil, "open_tree_attr", nil, missing},
		{usual, nil, "personality", []uint64{0xffffffff}, allowed},
		{usual, nil, "personality", []uint64{0x40000}, notPermitted},
		{usual, nil, "socket", []uint64{unix.AF_INET}, allowed},
		{usual, nil, "socket", []uint64{1<<32 | unix.AF_INET}, notPermitted},
		{usual, nil, "socket", []uint64{unix.AF_VSOCK}, notPermitted},
		{usual, nil, "memfd_create", nil, allowed},
		{watched, nil, "memfd_create", nil, notPermitted},
		{watched, nil, "memfd_secret", nil, notPermitted},
		{watched, nil, "shmget", nil, notPermitted},
		{watched, nil, "mq_open", nil, allowed},
		{shared, nil, "memfd_create", nil, notPermitted},
		{shared, nil, "shmget", nil, notPermitted},
		{shared, nil, "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP}, allowed},
		{shared, nil, "socket", []uint64{unix.AF_INET6, unix.SOCK_DGRAM, 0}, allowed},
		{shared, nil, "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, notPermitted},
		{shared, nil, "socket", []uint64{unix.AF_INET, unix.SOCK_STREAM, 1<<32 | unix.IPPROTO_SCTP}, notPermitted},
		{shared, nil, "socket", []uint64{unix.AF_SMC, unix.SOCK_STREAM}, notPermitted},
		{shared, nil, "socket", []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, allowed},
		{shared, nil, "sendto", []uint64{3, 0, 0, unix.MSG_NOSIGNAL}, allowed},
		{shared, nil, "sendto", []uint64{3, 0, 0, unix.MSG_FASTOPEN | unix.MSG_NOSIGNAL}, notPermitted},
		{shared, nil, "sendmsg", []uint64{3, 0, unix.MSG_FASTOPEN}, notPermitted},
		{shared, nil, "sendmmsg", []uint64{3, 0, 1, 1<<32 | unix.MSG_FASTOPEN}, notPermitted},
		{shared, nil, "bind", []uint64{3, 0, unix.SizeofSockaddrInet4}, allowed},
		{unrestricted, nil, "bind", []uint64{3, 0, unix.SizeofSockaddrInet4}, notPermitted},
		{unrestricted, nil, "bind", []uint64{3, 0, 128}, notPermitted},
		{unrestricted, nil, "bind", []uint64{3, 0, 1<<32 | unix.SizeofSockaddrNetlink}, notPermitted},
		{unrestricted, nil, "bind", []uint64{3, 0, unix.SizeofSockaddrNetlink}, allowed},
		{usual, nil, "sendto", []uint64{3, 0, 0, unix.MSG_FASTOPEN}, allowed},
	} {
		machine, err := arch.GetInfo("")
		require.NoError(t, err)
		number, known := machine.SyscallNames[try.call]
		require.True(t, known, try.call)
		code, err := try.filters.Of(try.capabilities)
		require.NoError(t, err)
		require.Equal(t, try.want, verdictOf(t, code, uint32(machine.ID), uint32(number), try.arguments...), "%s %v", try.call, try.arguments)
		again, err := try.filters.Of(try.capabilities)
		require.NoError(t, err)
		require.Same(t, &code[0], &again[0], "each is made once")
	}
	code, err := usual.Of(nil)
	require.NoError(t, err)
	require.Equal(t, missing, verdictOf(t, code, uint32(arch.I386.ID), 3), "32-bit calls")
	require.Equal(t, missing, verdictOf(t, code, uint32(arch.X86_64.ID), 0x40000000), "x32 calls")
}

// verdictOf runs a filter. Package bpf reads big endian words, as of packets.
func verdictOf(t *testing.T, code []byte, machine, call uint32, arguments ...uint64) uint32 {
	var raw = make([]bpf.RawInstruction, len(code)/unix.SizeofSockFilter)
	require.NoError(t, binary.Read(bytes.NewReader(code), binary.NativeEndian, raw))
	instructions, all := bpf.Disassemble(raw)
	require.True(t, all)
	vm, err := bpf.NewVM(instructions)
	require.NoError(t, err)
	data := binary.BigEndian.AppendUint32(nil, call)
	data = binary.BigEndian.AppendUint32(data, machine)
	data = append(data, make([]byte, 8)...)
	for i := range 6 {
		value := uint64(0)
		if i < len(arguments) {
			value = arguments[i]
		}
		data = binary.BigEndian.AppendUint32(data, uint32(value))
		data = binary.BigEndian.AppendUint32(data, uint32(value>>32))
	}
	verdict, err := vm.Run(data)
	require.NoError(t, err)
	return uint32(verdict)
}
