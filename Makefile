# The front of the lab harness. Type make to see what there is.

# ---- What you may set ------------------------------------------------------

CLUSTER    ?= auto#   auto, kind, embedded, existing (then CONTEXT=name, KUBECONFIG=file)
SUBMISSION ?= work#   the learner's directory
RESULTS    ?=#        a directory for results.json and junit.xml
NAME       ?= rolecall#  the cluster's name
CONTEXT    ?=#        with CLUSTER=existing: the context to work in
YES        ?=#        1 answers yes to questions
ARGS       ?=#        for make kubectl, such as ARGS="get pods"
TESTFLAGS  ?=#        for go test, such as -v
BESIDE     ?=#        make test, make bench: a second kind of cluster, where each check must end the same
OUT        ?=#        grading: the directory for results, evidence and gradebook
FORMATS    ?=#        grading: some of junit,gradescope,classroom50,prairielearn,markdown,annotations
SUBMISSIONS ?=#       grade-all: the directory that holds them
WORKERS    ?=#        grade-all: how many at a time; by default as many as this machine can
TIME       ?=#        grade-all: what one submission may take, such as 15m
MEMORY     ?=#        grade-all: the memory that grading one may take, in MiB
KEY        ?=#        grading: the ed25519 key for evidence, instead of one in rolecall's home

# ---- What follows ----------------------------------------------------------

MAKEFLAGS += --no-builtin-rules # which would be tried for each source file
rolecall := bin/rolecall
flags     = -cluster "$(strip $(CLUSTER))" -name "$(strip $(NAME))" $(if $(strip $(CONTEXT)),-context "$(strip $(CONTEXT))" -kubeconfig "$(KUBECONFIG)") $(if $(YES),-yes)
grade     = $(flags) -submission "$(strip $(SUBMISSION))" $(if $(strip $(RESULTS)),-results "$(strip $(RESULTS))")
suite     = -cluster "$(strip $(CLUSTER))" -name "$(strip $(NAME))" $(if $(strip $(BESIDE)),-beside $(strip $(BESIDE)))
course    = $(flags) -out "$(strip $(OUT))" $(if $(strip $(FORMATS)),-formats "$(strip $(FORMATS))") $(if $(strip $(KEY)),-key "$(strip $(KEY))")
machine  := harness/cluster/embedded/_machine
sources  := $(shell find . -name '*.go' -not -path './.*' -not -path './work/*') go.mod go.sum $(shell find manifests labs $(machine) -type f -not -name '*.go')
tested    = $(shell go list ./... 2>/dev/null | grep -v '/labs$$')
packages := ./...
staticcheck := honnef.co/go/tools/cmd/staticcheck@v0.8.2
revive      := github.com/mgechev/revive@v1.17.0
actionlint  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.DEFAULT_GOAL := help
.PHONY: help demo lab-1 lab-2 lab-3 lab-4 lab-5 walkthrough solution-1 solution-2 solution-3 solution-4 solution-5 \
	grade grade-all verify-evidence reset up down status kubectl shell doctor test unit verify bench clean

## For learners

help: ## this list
	@awk '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z][a-z0-9 -]*:.*## /{split($$0, a, ":.*## "); sub(/-1 .*-5/, "-1 to 5", a[1]); printf "  make %-15s %s\n", a[1], a[2]}' $(MAKEFILE_LIST)
	@printf '\nVariables: CLUSTER=auto|kind|embedded|existing  SUBMISSION=dir  RESULTS=dir  NAME=cluster  CONTEXT=name\n'

lab-1 lab-2 lab-3 lab-4 lab-5: $(rolecall) ## check one lab; the first time, get its starter
	@$(rolecall) lab $(@:lab-%=%) $(grade)

walkthrough: $(rolecall) ## check all five labs, then the walkthrough as one story
	@$(rolecall) walkthrough $(grade)

solution-1 solution-2 solution-3 solution-4 solution-5: $(rolecall) ## show a reference solution, after asking
	@$(rolecall) solution $(@:solution-%=%) $(flags)

demo: $(rolecall) ## the whole walkthrough on the reference solutions
	@$(rolecall) demo $(grade)

## For teachers

grade: $(rolecall) ## grade one SUBMISSION (dir, zip, tar.gz) into OUT, on a cluster of its own
	@$(rolecall) grade $(course) -submission "$(strip $(SUBMISSION))"

grade-all: $(rolecall) ## grade each of SUBMISSIONS into OUT, with a gradebook; again goes on
	@$(rolecall) grade-all $(course) -submissions "$(strip $(SUBMISSIONS))" $(if $(strip $(WORKERS)),-workers $(WORKERS)) $(if $(strip $(TIME)),-time $(TIME)) $(if $(strip $(MEMORY)),-memory $(MEMORY))

verify-evidence: $(rolecall) ## hold the results in OUT to their signed evidence
	@$(rolecall) verify-evidence $(course)

## The cluster

up: $(rolecall) ## create it; the labs do so by themselves
	@$(rolecall) up $(flags)

down: $(rolecall) ## delete it
	@$(rolecall) down $(flags)

status: $(rolecall) ## what is there
	@$(rolecall) status $(flags)

kubectl: $(rolecall) ## run kubectl on it, as in ARGS="get pods"; no install is needed
	@$(rolecall) kubectl $(flags) -- $(ARGS)

shell: $(rolecall) ## a shell with that kubectl
	@$(rolecall) shell $(flags)

reset: $(rolecall) ## take away all that is not part of a new one
	@$(rolecall) reset $(flags)

doctor: $(rolecall) ## what this machine can do, and what to do about the rest
	@$(rolecall) doctor $(flags)

## For developers

test: $(rolecall) unit ## every test: units, scripts, the author's gate, faults
	go test ./labs $(TESTFLAGS) -count=1 -timeout 60m -args $(suite)

unit: ## the tests that need no cluster
	go test $(TESTFLAGS) -timeout 40m $(tested)

verify: ## format, vet, lint, and a tidy go.mod
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'type gofmt -w .'; exit 1; }
	go vet $(packages)
	go run $(staticcheck) $(packages)
	go run $(revive) -config revive.toml -set_exit_status $(packages)
	go run $(actionlint) docs/hooks/github/*.yml
	go mod tidy -diff
	d=$$(mktemp -d) && trap "rm -rf $$d" EXIT && cp -R $(machine)/. $$d && cd $$d && mv machine.mod go.mod && mv machine.sum go.sum && \
		CGO_ENABLED=0 go vet -trimpath ./sandbox/... && go run $(revive) -config $(CURDIR)/revive.toml -set_exit_status ./...

bench: $(rolecall) ## where the time goes: a start, a lab beside one bare pod, a class; with BESIDE on two kinds of cluster in one run
	go test ./labs -run '^$$' -bench Lab3 -benchtime 10x -timeout 30m -args $(suite)
	go test ./labs -run '^$$' -bench Start -benchtime 3x -timeout 30m -args $(suite)
	go test ./labs -run '^$$' -bench Grade -benchtime 1x -timeout 30m -args $(suite)

clean: $(rolecall) ## delete what was built here, images too; work/ stays
	@$(rolecall) clean $(flags)
	rm -rf bin

$(rolecall): $(sources)
	@echo 'building $@ (the first time takes minutes)'
	@go build -o $@ . & build=$$!; trap "kill $$build" INT TERM; began=$$(date +%s); \
	while kill -0 $$build 2>/dev/null; do \
		sleep 0.2; past=$$(( $$(date +%s) - began )); \
		[ $$past -lt $${next:-5} ] || { echo "building $@, $$past s of usually 120 s"; next=$$((past + 5)); }; \
	done; wait $$build
