package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// respawn keeps as many processes as it is told, of as many MiB each.
func respawn(count, size string) error {
	number, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	ended := make(chan error)
	for range number {
		go func() {
			for {
				process, err := self(standard, "hold", size)
				if err == nil {
					_, err = process.Wait()
				}
				if err != nil {
					ended <- err
				}
			}
		}()
	}
	for err := range ended {
		fmt.Println(err)
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// hold takes memory at once and keeps it.
func hold(size, _ string) error {
	mebibytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	all := make([]byte, mebibytes<<20)
	for i := 0; i < len(all); i += 4096 {
		all[i] = 1
	}
	time.Sleep(time.Hour)
	fmt.Println(all[0])
	return nil
}

// nested does so in a PID namespace of its own.
func nested(size, _ string) error {
	process, err := os.StartProcess(program, []string{"probe", "hold", size}, &os.ProcAttr{
		Files: standard, Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID},
	})
	if err != nil {
		return err
	}
	state, err := process.Wait()
	fmt.Println(state)
	return err
}

// memfd takes memory in a file that no folder shows.
func memfd(size, _ string) error {
	mebibytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	name := []byte("x\x00")
	file, _, errno := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&name[0])), 0, 0)
	if errno != 0 {
		return errno
	}
	block := make([]byte, 1<<20)
	for range mebibytes {
		if _, err := syscall.Write(int(file), block); err != nil {
			return err
		}
	}
	fmt.Println("had", mebibytes)
	time.Sleep(time.Hour)
	return nil
}

// tables makes the kernel keep page tables of so many MiB, for memory that is
// only read.
func tables(size, _ string) error {
	mebibytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	const table, covers = 4096, 2 << 20
	for range mebibytes {
		memory, err := syscall.Mmap(-1, 0, (1<<20)/table*covers, syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
		if err != nil {
			return err
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)), 15); errno != 0 { // MADV_NOHUGEPAGE
			return errno
		}
		var sum byte
		for i := 0; i < len(memory); i += covers {
			sum += memory[i]
		}
		time.Sleep(time.Millisecond + time.Duration(sum))
	}
	time.Sleep(2 * time.Second)
	fmt.Println("had", mebibytes)
	return nil
}

// buffers fills so many pairs of sockets.
func buffers(count, _ string) error {
	number, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	var all [][2]int
	for range number {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		all = append(all, pair)
		for err == nil {
			_, err = syscall.Write(pair[0], block)
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	fmt.Println("had", len(all))
	return nil
}

// unlinked writes 20 files of 16 MiB, none of which is in a folder any more,
// and keeps them open, or mapped alone.
func unlinked(way, _ string) error {
	block := make([]byte, 16<<20)
	var kept []any
	for range 20 {
		file, err := os.Create("/tmp/unlinked")
		if err != nil {
			return err
		}
		if err := os.Remove("/tmp/unlinked"); err != nil {
			return err
		}
		if _, err := file.Write(block); err != nil {
			return err
		}
		if way == "mapped" {
			memory, err := syscall.Mmap(int(file.Fd()), 0, len(block), syscall.PROT_READ, syscall.MAP_SHARED)
			if err != nil {
				return err
			}
			kept = append(kept, memory)
			if err := file.Close(); err != nil {
				return err
			}
		} else {
			kept = append(kept, file)
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	fmt.Println("kept", len(kept))
	return nil
}

// touch makes empty files without end.
func touch(folder, _ string) error {
	for i := 0; i < 1<<20; i++ {
		file, err := os.Create(fmt.Sprintf("%s/%d", folder, i))
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}
