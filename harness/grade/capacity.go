package grade

import "runtime"

// needs is the memory that grading one submission usually takes: a cluster,
// and now and then a compiler.
const needs = 1536 << 20

// Capacity is how many submissions this machine can grade at a time: twice as
// many as it has processors, for half of grading is waiting.
func Capacity() int {
	workers := 2 * runtime.NumCPU()
	if free := freeMemory(); free > 0 {
		workers = min(workers, int(free/needs))
	}
	return max(1, workers)
}
