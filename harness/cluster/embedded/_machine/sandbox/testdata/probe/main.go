// Command probe is what the tests of package sandbox run in containers.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	arguments := append(os.Args[1:], "", "")
	command, ok := commands[arguments[0]]
	if !ok {
		fmt.Fprintln(os.Stderr, "probe: no command", arguments[0])
		os.Exit(2)
	}
	if err := command(arguments[1], arguments[2]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

var commands = map[string]func(a, b string) error{
	"true":  func(string, string) error { return nil },
	"sleep": func(string, string) error { time.Sleep(time.Hour); return nil },
	"exit": func(code, _ string) error {
		number, err := strconv.Atoi(code)
		if err != nil {
			return err
		}
		os.Exit(number)
		return nil
	},
	"echo": func(text, _ string) error { fmt.Println(text); return nil },
	"env": func(string, string) error {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return nil
	},
	"cat": func(file, _ string) error {
		content, err := os.ReadFile(file)
		fmt.Print(string(content))
		return err
	},
	"rounds": func(file, _ string) error { return rounds(file) },
	"copy":   func(string, string) error { _, err := io.Copy(os.Stdout, os.Stdin); return err },
	"write": func(file, text string) error {
		return os.WriteFile(file, []byte(text), 0o644)
	},
	"list": func(folder, _ string) error {
		entries, err := os.ReadDir(folder)
		for _, entry := range entries {
			fmt.Println(entry.Name())
		}
		return err
	},
	"stat": func(file, _ string) error {
		about, err := os.Lstat(file)
		if err != nil {
			return err
		}
		there := about.Sys().(*syscall.Stat_t)
		fmt.Println(about.Mode(), there.Uid, there.Gid)
		return nil
	},
	"fifo":   func(name, _ string) error { return syscall.Mkfifo(name, 0o666) },
	"link":   func(target, name string) error { return os.Symlink(target, name) },
	"unlink": func(name, _ string) error { return os.Remove(name) },
	"remake": func(folder, _ string) error { return remake(folder) },
	"ids": func(string, string) error {
		groups, err := os.Getgroups()
		fmt.Println(os.Getuid(), os.Getgid(), groups)
		return err
	},
	"catch": func(string, string) error {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, syscall.SIGTERM)
		fmt.Println("ready")
		<-caught
		os.Exit(42)
		return nil
	},
	"killall": func(string, string) error {
		if err := syscall.Kill(-1, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return err
		}
		return nil
	},
	"spew": func(string, string) error {
		line := []byte(strings.Repeat("x", 1023) + "\n")
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				return err
			}
		}
	},
	"hog":       hog,
	"hold":      hold,
	"hog-child": func(size, _ string) error { return child("hog", size) },
	"bomb":      bomb,
	"fill":      fill,
	"serve":     serve,
	"dial":      dial,
	"fast-open": fastOpen,
	"outside": func(file, _ string) error {
		if err := syscall.Fchdir(0); err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		fmt.Print(string(content))
		return err
	},
	"serve-unix": func(name, _ string) error {
		listener, err := net.Listen("unix", name)
		if err == nil {
			fmt.Println("ready")
			_, err = listener.Accept()
		}
		return err
	},
	"dial-unix": func(name, _ string) error { _, err := net.Dial("unix", name); return err },
	"send":      send,
	"terminal":  terminal,
	"orphan":    func(marker, _ string) error { return spawn(nil, "sleep", marker) },
	"calls":     calls,
	"respawn":   respawn,
	"unlinked":  unlinked,
	"touch":     touch,
	"stopper":   stopper,
	"traced":    traced,
	"nested":    nested,
	"memfd":     memfd,
	"tables":    tables,
	"buffers":   buffers,
	"inflight":  inflight,
	"limits":    limits,
	"files": func(string, string) error {
		entries, err := os.ReadDir("/proc/self/fd")
		fmt.Println(len(entries))
		return err
	},
}

func remake(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	fmt.Println(len(entries))
	return err
}

// rounds reads the file a thousand times for each line it reads, and prints the
// last content.
func rounds(file string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var content []byte
		for range 1000 {
			var err error
			if content, err = os.ReadFile(file); err != nil {
				return err
			}
		}
		fmt.Println(string(content))
	}
	return nil
}

// program is this one in the tests' image. Not every container has a /proc to
// find it by.
const program = "/bin/probe"

var standard = []*os.File{os.Stdin, os.Stdout, os.Stderr}

func self(files []*os.File, arguments ...string) (*os.Process, error) {
	return os.StartProcess(program, append([]string{"probe"}, arguments...), &os.ProcAttr{Files: files})
}

// child waits for one and reports as a shell does.
func child(arguments ...string) error {
	process, err := self(standard, arguments...)
	if err != nil {
		return err
	}
	state, err := process.Wait()
	if err != nil {
		return err
	}
	fmt.Println("child:", state)
	time.Sleep(100 * time.Millisecond)
	os.Exit(0)
	return nil
}

func spawn(files []*os.File, arguments ...string) error {
	process, err := self(files, arguments...)
	if err != nil {
		return err
	}
	return process.Release()
}

func hog(size, _ string) error {
	mebibytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	var all [][]byte
	for range mebibytes {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		all = append(all, piece)
		time.Sleep(time.Millisecond)
	}
	fmt.Println("had", len(all))
	time.Sleep(200 * time.Millisecond)
	return nil
}

// bomb starts processes until it cannot, and says how many there were.
func bomb(marker, _ string) error {
	for count := 0; count < 5000; count++ {
		if err := spawn(standard, "sleep", marker); err != nil {
			fmt.Println("stopped after", count)
			time.Sleep(time.Hour)
		}
	}
	fmt.Println("not stopped")
	return nil
}

func fill(file, _ string) error {
	opened, err := os.Create(file)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for count := 0; ; count++ {
		if _, err := opened.Write(block); err != nil {
			fmt.Println(count)
			return err
		}
	}
}

// serve answers one connection.
func serve(address, text string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		fmt.Fprint(conn, text)
		conn.Close()
	}
}

func dial(address, _ string) error {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(conn)
	fmt.Print(string(content))
	return err
}

func send(address, text string) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return err
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	fmt.Print(string(answer[:n]))
	return err
}

// terminal says the size of the controlling one for each line it reads.
func terminal(string, string) error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		rows, cols, err := size(tty)
		if err != nil {
			return err
		}
		fmt.Println(lines.Text(), rows, cols)
	}
	return nil
}

// inflight sends descriptors through sockets that nobody reads, until it
// cannot.
func inflight(string, string) error {
	rights := syscall.UnixRights(make([]int, 100)...)
	count := 0
	for {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
		for ; err == nil && count < 1<<20; count += 100 {
			if err = syscall.Sendmsg(pair[0], []byte{0}, rights, nil, syscall.MSG_DONTWAIT); err == syscall.EAGAIN {
				break
			}
		}
		if err != nil && err != syscall.EAGAIN || count >= 1<<20 {
			fmt.Println("stopped after", count, err)
			time.Sleep(time.Hour)
		}
	}
}

// limits says what the kernel grants this process of files and core dumps.
func limits(string, string) error {
	for name, number := range map[string]int{"core": syscall.RLIMIT_CORE, "files": syscall.RLIMIT_NOFILE} {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(number, &limit); err != nil {
			return err
		}
		fmt.Println(name, limit.Max)
	}
	return nil
}

// stopper stops every process that it sees come.
func stopper(string, string) error {
	fmt.Println("ready")
	for {
		for pid := 2; pid < 200; pid++ {
			if pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
	}
}

// traced stops because it is traced, again and again: if its tracer, a thread
// of the agent, ends, the kernel lets it run on.
func traced(string, string) error {
	runtime.LockOSThread()
	said := false
	for {
		// It fails while there is a tracer.
		_, _, _ = syscall.RawSyscall(syscall.SYS_PTRACE, syscall.PTRACE_TRACEME, 0, 0)
		if !said {
			fmt.Println("ready")
			said = true
		}
		if err := tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP); err != nil {
			return err
		}
	}
}

// tgkill signals one thread.
func tgkill(pid, thread int, signal syscall.Signal) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(thread), uintptr(signal)); errno != 0 {
		return errno
	}
	return nil
}

// fastOpen connects by sending.
func fastOpen(address, call string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	const flag = 0x20000000
	there := &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	if call == "sendmsg" {
		err = syscall.Sendmsg(socket, []byte("x"), nil, there, flag)
	} else {
		err = syscall.Sendto(socket, []byte("x"), flag, there)
	}
	if err == nil {
		fmt.Println("connected")
	}
	return err
}
