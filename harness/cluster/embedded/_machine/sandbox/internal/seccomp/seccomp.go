// Package seccomp makes the filters of containers' system calls.
package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Rules are a profile's, by call.
type Rules map[string][]specs.LinuxSyscall

// Filters makes the containers' seccomp filters, each once: those of Docker's
// default profile, which allows what it names. What the kernel's next versions
// bring is refused until the profile knows it.
type Filters struct {
	// Stricter are rules in place of those that the profile has for the same
	// calls: see WithoutCgroup and WithoutNamespaces. A call without rules is
	// refused.
	Stricter Rules

	mu   sync.Mutex
	made map[string][]byte
}

// Of returns the filter of a container with these capabilities: instructions as
// the kernel's struct sock_filter has them.
func (f *Filters) Of(capabilities []string) ([]byte, error) {
	names := make([]string, 0, len(capabilities))
	for _, name := range capabilities {
		names = append(names, "CAP_"+strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	slices.Sort(names)
	key := strings.Join(names, " ")
	f.mu.Lock()
	defer f.mu.Unlock()
	if made, known := f.made[key]; known {
		return made, nil
	}
	rules, err := f.rules(names)
	if err != nil {
		return nil, fmt.Errorf("making a seccomp filter: %w", err)
	}
	made, err := assemble(rules)
	if err != nil {
		return nil, fmt.Errorf("making a seccomp filter: %w", err)
	}
	if f.made == nil {
		f.made = map[string][]byte{}
	}
	f.made[key] = made
	return made, nil
}

// rules are the profile's, by call.
func (f *Filters) rules(capabilities []string) (Rules, error) {
	profile, err := seccomp.GetDefaultProfile(&specs.Spec{
		Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}},
	})
	if err != nil {
		return nil, err
	}
	rules := Rules{}
	for _, rule := range profile.Syscalls {
		for _, name := range rule.Names {
			rules[name] = append(rules[name], rule)
		}
	}
	for name, instead := range f.Stricter {
		rules[name] = instead
	}
	return rules, nil
}

// Verdicts of a filter.
const (
	notPermitted   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	notImplemented = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Offsets in struct seccomp_data.
const (
	callOffset     = 0
	archOffset     = 4
	argumentOffset = 16 // of the first of six, eight bytes each, the low half first: both architectures are little endian
)

// assemble lays the rules out. To programs a call that is newer than all that
// the rules name does not exist, as with runc: they take ENOSYS for "use the
// older way". So does one of another architecture, x32 among them.
func assemble(rules Rules) ([]byte, error) {
	machine, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	newest := 0
	for name := range rules {
		newest = max(newest, machine.SyscallNames[name])
	}
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(machine.ID), SkipTrue: 1},
		bpf.RetConstant{Val: notImplemented},
		bpf.LoadAbsolute{Off: callOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(newest), SkipFalse: 1},
		bpf.RetConstant{Val: notImplemented},
	}
	for number := range newest + 1 {
		name, known := machine.SyscallNumbers[number]
		if !known || len(rulesOf(name, rules)) == 0 {
			continue
		}
		block, err := rulesBlock(rulesOf(name, rules))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(number), SkipFalse: uint8(len(block))})
		code = append(code, block...)
	}
	raw, err := bpf.Assemble(append(code, bpf.RetConstant{Val: notPermitted}))
	if err != nil {
		return nil, err
	}
	var layout bytes.Buffer
	err = binary.Write(&layout, binary.NativeEndian, raw)
	return layout.Bytes(), err
}

// rulesOf looks a call up. The table of arm64 has one by another name than the
// profile.
func rulesOf(name string, rules Rules) []specs.LinuxSyscall {
	if name == "fstatat" {
		name = "newfstatat"
	}
	return rules[name]
}

// rulesBlock are the instructions for one call, which end with a verdict in any
// case: the first rule whose conditions hold, or a refusal.
func rulesBlock(rules []specs.LinuxSyscall) ([]bpf.Instruction, error) {
	var block []bpf.Instruction
	for _, rule := range rules {
		one, err := ruleBlock(rule)
		if err != nil {
			return nil, err
		}
		if len(rule.Args) == 0 {
			return one, nil
		}
		block = append(block, one...)
	}
	block = append(block, bpf.RetConstant{Val: notPermitted})
	if len(block) > 255 {
		return nil, fmt.Errorf("%d instructions are more than a jump can skip", len(block))
	}
	return block, nil
}

// ruleBlock is a rule's verdict, behind its conditions.
func ruleBlock(rule specs.LinuxSyscall) ([]bpf.Instruction, error) {
	block := []bpf.Instruction{bpf.RetConstant{Val: verdict(rule)}}
	for _, condition := range slices.Backward(rule.Args) {
		test, err := conditionBlock(condition, len(block))
		if err != nil {
			return nil, err
		}
		block = append(test, block...)
	}
	return block, nil
}

func verdict(rule specs.LinuxSyscall) uint32 {
	switch {
	case rule.Action == specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW
	case rule.ErrnoRet != nil:
		return unix.SECCOMP_RET_ERRNO | uint32(*rule.ErrnoRet)
	}
	return notPermitted
}

// conditionBlock tests an argument and skips so many instructions if it is
// otherwise. The high half must be 0, except for flags, of which the kernel
// reads the low half only.
func conditionBlock(condition specs.LinuxSeccompArg, skip int) ([]bpf.Instruction, error) {
	offset := uint32(argumentOffset + 8*condition.Index)
	load := func(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 4} }
	unless := func(cond bpf.JumpTest, value uint64, skip int) bpf.Instruction {
		return bpf.JumpIf{Cond: cond, Val: uint32(value), SkipFalse: uint8(skip)}
	}
	if condition.Value>>32 != 0 {
		return nil, fmt.Errorf("%#x is no value of 32 bits", condition.Value)
	}
	switch {
	case condition.Op == specs.OpMaskedEqual && condition.ValueTwo == 0:
		return []bpf.Instruction{load(offset), unless(bpf.JumpBitsNotSet, condition.Value, skip)}, nil
	case condition.Op == specs.OpEqualTo:
		return []bpf.Instruction{load(offset + 4), unless(bpf.JumpEqual, 0, skip+2), load(offset), unless(bpf.JumpEqual, condition.Value, skip)}, nil
	case condition.Op == specs.OpLessThan:
		return []bpf.Instruction{load(offset + 4), unless(bpf.JumpEqual, 0, skip+2), load(offset), unless(bpf.JumpLessThan, condition.Value, skip)}, nil
	}
	return nil, fmt.Errorf("there is no such condition here: %s", condition.Op)
}

// allowIf is a rule that allows a call if all conditions hold.
func allowIf(conditions ...specs.LinuxSeccompArg) specs.LinuxSyscall {
	return specs.LinuxSyscall{Action: specs.ActAllow, Args: conditions}
}

func argument(index uint, value uint64) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: index, Value: value, Op: specs.OpEqualTo}
}

// WithoutCgroup refuses memory that nothing counts where no control group does:
// files that are in no folder, and System V's shared memory, messages and
// semaphores.
func WithoutCgroup() Rules {
	return Rules{"memfd_create": nil, "memfd_secret": nil, "shmget": nil, "msgget": nil, "semget": nil}
}

// WithoutNamespaces refuses also what pods that share the machine's network and
// IPC would share: POSIX's message queues; protocols that Landlock's rules do
// not know, and the way to connect by sending that they do not see
// (https://github.com/landlock-lsm/linux/issues/41). Where Landlock does not
// keep a pod from listening either, no address of the Internet's families can
// be bound: they are longer than those of netlink, which programs bind to look
// for their own. A pod could otherwise take addresses that other machines
// reserve.
func WithoutNamespaces(landlock bool) Rules {
	rules := WithoutCgroup()
	if !landlock {
		rules["bind"] = []specs.LinuxSyscall{allowIf(specs.LinuxSeccompArg{Index: 2, Value: unix.SizeofSockaddrNetlink + 1, Op: specs.OpLessThan})}
	}
	for _, name := range []string{"mq_open", "mq_unlink"} {
		rules[name] = nil
	}
	for name, flags := range map[string]uint{"sendto": 3, "sendmsg": 2, "sendmmsg": 3} {
		fastOpen := specs.LinuxSeccompArg{Index: flags, Value: unix.MSG_FASTOPEN, Op: specs.OpMaskedEqual}
		rules[name] = []specs.LinuxSyscall{allowIf(fastOpen)}
	}
	for _, family := range []uint64{unix.AF_UNIX, unix.AF_NETLINK} {
		rules["socket"] = append(rules["socket"], allowIf(argument(0, family)))
	}
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range []uint64{unix.IPPROTO_IP, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6} {
			rules["socket"] = append(rules["socket"], allowIf(argument(0, family), argument(2, protocol)))
		}
	}
	return rules
}
