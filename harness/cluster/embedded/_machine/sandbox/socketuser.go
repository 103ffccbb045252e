package sandbox

import (
	"bufio"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// socketUser finds the user of a socket of this machine in the kernel's tables ("tcp" or "udp"): local is its own end. A TCP socket's other end
// is remote; a UDP socket may have none.
func socketUser(network string, local, remote netip.AddrPort) (user int, found bool) {
	for _, table := range []string{network, network + "6"} { // Also a socket for IPv6 may speak IPv4.
		file, err := os.Open("/proc/net/" + table)
		if err != nil {
			continue
		}
		user, found = findSocket(bufio.NewScanner(file), network == "tcp", local, remote)
		file.Close()
		if found {
			return user, true
		}
	}
	return 0, false
}

func findSocket(lines *bufio.Scanner, connected bool, local, remote netip.AddrPort) (user int, found bool) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 {
			continue
		}
		own, other := socketAddress(fields[1]), socketAddress(fields[2])
		same := own == local && other == remote
		if !connected {
			same = own == local || own.Port() == local.Port() && own.Addr().IsUnspecified()
		}
		if !same {
			continue
		}
		if user, err := strconv.Atoi(fields[7]); err == nil {
			return user, true
		}
	}
	return 0, false
}

// socketAddress reads an address as the tables have it: four bytes at a time, each four in the machine's order, and the port.
func socketAddress(text string) netip.AddrPort {
	address, port, _ := strings.Cut(text, ":")
	bytes, err := hex.DecodeString(address)
	if err != nil {
		return netip.AddrPort{}
	}
	for i := 0; i+4 <= len(bytes); i += 4 { // both architectures are little endian
		bytes[i], bytes[i+1], bytes[i+2], bytes[i+3] = bytes[i+3], bytes[i+2], bytes[i+1], bytes[i]
	}
	ip, ok := netip.AddrFromSlice(bytes)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(number))
}
