package engine

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"rolecall/harness/cluster/internal/image"
)

// privilegedLimit bounds the trial of a privileged container.
const privilegedLimit = time.Minute

// TryPrivileged starts a privileged container, as a node of kind is one, and
// says why if the engine cannot. It needs no registry: the image is one made
// here, of a program that does nothing but end well. Image and container are
// gone afterwards.
func (e *Engine) TryPrivileged(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, privilegedLimit, fmt.Errorf("no end within %s", privilegedLimit))
	defer cancel()
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("rolecall-probe-%d-%d", os.Getpid(), containers.Add(1))
	probe := "rolecall.local/" + name + ":1" // a name of its own: others may try at the same time
	archive, err := probeArchive(probe, info.Arch)
	if err != nil {
		return fmt.Errorf("making an image to try a privileged container with: %w", err)
	}
	if err := e.Load(ctx, archive); err != nil {
		return fmt.Errorf("loading an image to try a privileged container with: %w", err)
	}
	clean := context.WithoutCancel(ctx)
	defer e.RemoveImage(clean, probe)
	defer e.RemoveContainer(clean, name)

	if _, err := e.Output(ctx, "run", "--rm", "--privileged", "--network=none", "--name="+name, probe); err != nil {
		return fmt.Errorf("starting a privileged container: %w", err)
	}
	return nil
}

// probeArchive is an image archive with one program that exits with status 0.
func probeArchive(ref, arch string) (*bytes.Buffer, error) {
	program, err := exitProgram(arch)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	tree := image.NewTree(&layer)
	if err := tree.File("exit", 0o755, program); err != nil {
		return nil, err
	}
	if err := tree.Close(); err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	return &archive, image.Write(&archive, image.Image{
		Ref: ref, Arch: arch, Layers: []*image.Layer{image.BytesLayer(layer.Bytes())},
		Config: image.Config{Entrypoint: []string{"/exit"}},
	})
}

// exitProgram is the smallest static Linux program: exit(0) in machine code.
// So an image can be made on any host, where there may be no Linux to compile
// or copy anything from.
func exitProgram(arch string) ([]byte, error) {
	var machine elf.Machine
	var code []byte
	switch arch {
	case "amd64":
		machine = elf.EM_X86_64
		code = []byte{
			0x31, 0xff, //                   xor edi, edi
			0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60 (exit)
			0x0f, 0x05, //                   syscall
		}
	case "arm64":
		machine = elf.EM_AARCH64
		code = []byte{
			0xa8, 0x0b, 0x80, 0xd2, // mov x8, #93 (exit)
			0x00, 0x00, 0x80, 0xd2, // mov x0, #0
			0x01, 0x00, 0x00, 0xd4, // svc #0
		}
	default:
		return nil, fmt.Errorf("no program is known for the architecture %q; it must be amd64 or arm64", arch)
	}

	const base, headers = 0x400000, 64 + 56
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Entry: base + headers, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
	}
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base,
		Filesz: headers + uint64(len(code)), Memsz: headers + uint64(len(code)), Align: 0x10000,
	}
	var b bytes.Buffer
	for _, part := range []any{head, segment, code} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
