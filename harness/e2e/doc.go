// Package e2e holds the tests that need clusters and time: the author's gate,
// parity of providers, faults, containment, grading by the class, benchmarks.
//
//	go test -C harness/e2e -run 'TestGate/lab-3/wrong' -args --cluster embedded
//	go test -C harness/e2e -run 'TestGate/lab-3' -args --cluster kind --beside embedded
//	go test -C harness/e2e -run TestGate -count 3     # no verdict may differ
//	go test -C harness/e2e -run TestGate -args --update   # then read the diff
//	go test -C harness/e2e -run Watch -args -program dist/rolecall   # a release's one file
package e2e
