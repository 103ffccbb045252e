# The front of the lab harness. Run make to see what there is.

# ---- What you may set ------------------------------------------------------

CLUSTER     ?=#           auto (the default), kind, embedded, existing (then CONTEXT=name, KUBECONFIG=file)
NAME        ?=#           the cluster's name, instead of rolecall
CONTEXT     ?=#           with CLUSTER=existing: the context to work in
SUBMISSION  ?=#           the learner's directory, instead of work
LABS        ?=#           which labs: 1-3,5, the name of a part, or all
N           ?=#           watch: the lab to begin with
RESULTS     ?=#           a directory for results.json and junit.xml; make report reads it
HINTS       ?=#           with RESULTS: 1 tells in results.json which hints you were given
PROBLEMS    ?=#           1 also prints each failure in a line that editors read (see docs/editors.md)
YES         ?=#           1 answers yes to questions
ARGS        ?=#           for make kubectl, such as ARGS="get pods"
OUT         ?=#           the directory for logs, for results, evidence and gradebook, or for a bundle; the file of make report
FORMATS     ?=#           grading: some of junit,gradescope,classroom50,prairielearn,markdown,annotations; of a class also moodle,canvas
SUBMISSIONS ?=#           grade-all: the directory that holds them
ROSTER      ?=#           grade-all: a CSV file of the students and their ids
REGRADE     ?=#           grade-all: the submission, student or id to grade again
WORKERS     ?=#           grade-all: how many at a time; by default as many as this machine can
FRESH       ?=#           grade-all: 1 makes a new cluster for each submission
TIME        ?=#           grade-all: how long one submission may take, such as 15m
MEMORY      ?=#           grade-all: how much memory grading one may take, in MiB
KEY         ?=#           grading: the ed25519 key for evidence, instead of one in rolecall's home
WITH        ?=#           bundle: what else it holds, some of go,kind
TESTFLAGS   ?=#           for go test, such as -v
BENCH       ?=#           bench: only these, as in BENCH="Lab|Start"
TIMES       ?=#           bench: how often each is measured, instead of 3 or 5 times
VERSION     ?=#           make dist: the release's version, instead of the tag
SYSTEMS     ?=#           make dist: some of linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

# ---- How Go compiles -------------------------------------------------------

# All that is compiled is compiled in this one way, so that no package is compiled
# twice: see harness/gocommand.
export GOFLAGS     += -trimpath -buildvcs=false '-gcflags=all=-dwarf=false -l' -gcflags=std=-dwarf=false
export CGO_ENABLED := 0
fast                := GOGC=off GOMEMLIMIT=1GiB
processors           = $(shell getconf _NPROCESSORS_ONLN)
many                 = $(fast) GOMAXPROCS=$$(($(processors) > 1 ? $(processors) / 2 : 1)) # for go build -p $(processors)

# ---- What there is ---------------------------------------------------------

rolecall   := bin/rolecall
folders    := $(patsubst labs/%/README.md,%,$(wildcard labs/*/README.md))
course     := $(filter-out lab-%,$(folders))
numbers    := $(foreach folder,$(filter lab-%,$(folders)),$(word 2,$(subst -, ,$(folder))))
labs       := $(sort $(numbers:%=lab-%) $(filter lab-%,$(MAKECMDGOALS)))
solutions  := $(sort $(numbers:%=solution-%) $(filter solution-%,$(MAKECMDGOALS)))
restarts   := $(sort $(numbers:%=restart-%) $(filter restart-%,$(MAKECMDGOALS)))
hints      := $(sort $(numbers:%=hint-%) $(filter hint-%,$(MAKECMDGOALS)))
differences := $(sort $(numbers:%=difference-%) $(filter difference-%,$(MAKECMDGOALS)))
users      := help tour $(labs) $(solutions) $(restarts) $(hints) $(differences) $(course) watch next hint demo report explain grade grade-all verify-evidence bundle \
	up down status reset kubectl shell logs doctor clean
developers := unit test test-long test-kind test-all verify bench dist
unknown    := $(filter-out $(users) $(developers) $(rolecall),$(MAKECMDGOALS))

.DEFAULT_GOAL := help
.PHONY: $(users) $(developers)

# A user reads what rolecall says, and no line of make's. make adds "*** Error"
# when a recipe fails, but not in question mode: there only lines marked + run,
# and make itself ends with status 1 when one of them does. The command ends with
# 0 or 1 then. A dry run and developers' targets are make's as usual.
dry := $(findstring n,$(firstword -$(MAKEFLAGS)))
ifeq (,$(dry)$(filter $(developers) $(rolecall),$(MAKECMDGOALS)))
MAKEFLAGS += -q
export ROLECALL_CALLER := make
do := +
endif
do += @
MAKEFLAGS += --no-builtin-rules # which would be tried for each source file
unexport MAKEFLAGS

owned   = $(if $(strip $(CLUSTER)),--cluster "$(strip $(CLUSTER))") $(if $(strip $(NAME)),--name "$(strip $(NAME))")
any     = $(owned) $(if $(strip $(CONTEXT)),--context "$(strip $(CONTEXT))" --kubeconfig "$(KUBECONFIG)")
files   = $(if $(strip $(SUBMISSION)),--submission "$(strip $(SUBMISSION))")
chosen  = $(if $(strip $(LABS)),--labs "$(strip $(LABS))")
written = $(if $(strip $(RESULTS)),--results "$(strip $(RESULTS))")
results = $(written) $(if $(strip $(HINTS)),--hints-used) $(if $(strip $(PROBLEMS)),--problems)
yes     = $(if $(strip $(YES)),--yes)
page    = $(if $(strip $(OUT)),--out "$(strip $(OUT))")
key     = --out "$(strip $(OUT))" $(if $(strip $(KEY)),--key "$(strip $(KEY))")
grading = $(owned) $(chosen) $(key) $(if $(strip $(FORMATS)),--formats "$(strip $(FORMATS))")
class   = $(if $(strip $(ROSTER)),--roster "$(strip $(ROSTER))") $(if $(strip $(REGRADE)),--regrade "$(strip $(REGRADE))")
limits  = $(if $(strip $(WORKERS)),--workers $(WORKERS)) $(if $(strip $(FRESH)),--fresh) $(if $(strip $(TIME)),--time $(TIME)) $(if $(strip $(MEMORY)),--memory $(MEMORY))

# What cannot be made is named before anything is.
ifneq (,$(unknown))
space := $(subst ,, )
guess := $(filter $(labs),$(subst lab,lab-,$(subst $(space),,$(MAKECMDGOALS))))
said  := $(if $(filter kubectl,$(firstword $(MAKECMDGOALS))),put kubectl's own words into ARGS: make kubectl ARGS="$(wordlist 2,99,$(MAKECMDGOALS))",unknown target "$(if $(guess),$(MAKECMDGOALS),$(firstword $(unknown)))"$(guess:%=; did you mean make %?))
$(MAKECMDGOALS) $(if $(word 2,$(MAKECMDGOALS)),$(subst $(space),\ ,$(MAKECMDGOALS))):
	$(do)printf 'make: %s\n' "$$SAID" >&2; echo 'Run make in this folder to see what there is.' >&2; exit 1
export SAID := $(said)
.PHONY: $(MAKECMDGOALS)
else

## For learners

help: ## this list
	$(do)awk -v course=$(course) '/^## /{printf "\n%s\n", substr($$0, 4)} /^[$$a-z].*: .*## /{split($$0, a, ":.*## "); sub(/\$$\(course\)/, course, a[1]); gsub(/^\$$\(|s\)$$/, "", a[1]); if (a[1] ~ /^(lab|difference|solution|restart)$$/) a[1] = a[1] "-N"; printf "  make %-16s %s\n", a[1], a[2]}' Makefile
	$(do)printf '\nVariables: CLUSTER=auto|kind|embedded|existing  NAME=cluster  SUBMISSION=dir  SUBMISSIONS=dir\n           OUT=dir  RESULTS=dir  LABS=1-3  ARGS="get pods"  (all: see Makefile)\n'

tour: $(rolecall) ## see in a minute what it is about; there is nothing to write
	$(do)exec $(rolecall) tour $(any)

$(labs): $(rolecall) ## check lab N; the first time, get its starter
	$(do)exec $(rolecall) lab $(@:lab-%=%) $(any) $(files) $(results)

watch: $(rolecall) ## check a lab whenever you save one of its files: N=3 begins with lab 3
	$(do)exec $(rolecall) watch $(N) $(any) $(files) $(if $(strip $(PROBLEMS)),--problems)

$(course): $(rolecall) ## check all labs and the story that they tell together
	$(do)exec $(rolecall) $@ $(any) $(files) $(chosen) $(results)

next: $(rolecall) ## begin the first lab that is not passed
	$(do)exec $(rolecall) next $(any) $(files)

demo: $(rolecall) ## all labs, with the reference solutions
	$(do)exec $(rolecall) demo $(any) $(chosen) $(written)

hint: $(rolecall) ## get a hint on what failed, or hint-N; the next one after another attempt
	$(do)exec $(rolecall) hint $(any) $(files)

$(hints): $(rolecall)
	$(do)exec $(rolecall) hint $(@:hint-%=%) $(any) $(files)

$(differences): $(rolecall) ## after passing lab N, compare your files with the reference solution
	$(do)exec $(rolecall) difference $(@:difference-%=%) $(any) $(files) $(yes)

report: $(rolecall) ## write report.html beside what was checked last, or beside RESULTS
	$(do)exec $(rolecall) report $(files) $(written) $(page)

$(solutions): $(rolecall) ## show the reference solution of lab N, after asking
	$(do)exec $(rolecall) solution $(@:solution-%=%) $(yes)

$(restarts): $(rolecall) ## start lab N over; what you wrote is kept beside it
	$(do)exec $(rolecall) restart $(@:restart-%=%) $(any) $(files) $(yes)

explain: $(rolecall) ## print as JSON what a tutor may be shown of your last results
	$(do)exec $(rolecall) explain --json $(files)

## For teachers

grade: $(rolecall) ## grade one SUBMISSION (directory or archive) into OUT, on a cluster of its own
	$(do)exec $(rolecall) grade $(grading) --submission "$(strip $(SUBMISSION))"

grade-all: $(rolecall) ## grade every submission in SUBMISSIONS and write a gradebook; rerun to resume
	$(do)exec $(rolecall) grade-all $(grading) --submissions "$(strip $(SUBMISSIONS))" $(class) $(limits)

verify-evidence: $(rolecall) ## verify the results in OUT against their signed evidence
	$(do)exec $(rolecall) verify-evidence $(key) $(chosen)

bundle: ## write a folder in OUT for a room without a network, WITH=go,kind; make dist first
	$(do)own=dist/rolecall-$$(uname -s | tr A-Z a-z)-$$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/'); \
	test -x "$$own" || { echo 'a bundle holds what make dist makes: run make dist first' >&2; exit 1; }; exec "$$own" bundle --out "$(strip $(OUT))" $(if $(strip $(WITH)),--with "$(strip $(WITH))")

## The cluster

up: $(rolecall) ## create the cluster (labs do this for you)
	$(do)exec $(rolecall) up $(owned)

down: $(rolecall) ## delete the cluster
	$(do)exec $(rolecall) down $(owned)

status: $(rolecall) ## show your clusters, and which labs are passed
	$(do)exec $(rolecall) status $(owned) $(files)

reset: $(rolecall) ## delete everything you added to the cluster
	$(do)exec $(rolecall) reset $(owned)

kubectl: $(rolecall) ## run kubectl on the cluster, as in ARGS="get pods"; no install is needed
	$(do)exec $(rolecall) kubectl $(any) -- $(ARGS)

shell: $(rolecall) ## start a shell that has kubectl
	$(do)exec $(rolecall) shell $(any)

logs: $(rolecall) ## collect the cluster's logs in OUT
	$(do)exec $(rolecall) logs $(owned) --out "$(strip $(OUT))"

doctor: $(rolecall) ## say what this machine can run and what is missing
	$(do)exec $(rolecall) doctor $(any)

clean: $(rolecall) ## delete what was built for clusters, and bin/; work/ stays
	$(do)$(rolecall) clean && rm -rf bin

## For developers

packages    := ./...
serial      := rolecall/labs rolecall/harness/e2e
long        := TestHostile|TestGradeAll|TestClusterFalters|TestAuthenticationIsPutBack|TestExisting|TestObjectInTheWay|TestEmbedded(Machine|Eight|First|Renew|GradedOn|OneFile|FullDisk|AgentsKilled|Attacks)
machine     := harness/cluster/embedded/_machine
staticcheck := honnef.co/go/tools/cmd/staticcheck@v0.8.2
revive      := github.com/mgechev/revive@v1.17.0
actionlint  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
units        = $(filter-out $(serial),$(shell go list ./...))

unit: ## run the tests that need no cluster
	$(fast) go test $(TESTFLAGS) -timeout 40m $(units)

test: $(rolecall) unit ## run these, and what the embedded cluster shows in minutes
	go test ./labs $(TESTFLAGS) -count=1 -timeout 20m -args --cluster embedded
	go test ./harness/e2e $(TESTFLAGS) -count=1 -timeout 40m -skip '^(TestKind|$(long))' -args --cluster embedded

test-long: $(rolecall) ## run what takes longer there: classes, attacks, faults, the one file
	go test ./harness/e2e $(TESTFLAGS) -count=1 -timeout 40m -run '^($(long))' -args --cluster embedded

test-kind: $(rolecall) ## run the same on kind, held to the same verdicts, and what kind alone shows
	go test ./labs $(TESTFLAGS) -count=1 -timeout 20m -args --cluster kind
	go test ./harness/e2e $(TESTFLAGS) -count=1 -timeout 75m -skip '^TestEmbedded' -args --cluster kind

test-all: verify test test-long test-kind bench ## check, test and measure everything, on both clusters

verify: ## check format, vet (three systems), lint, data races and a tidy go.mod
	@bad=$$(gofmt -l .) && test -z "$$bad" || { echo "run gofmt -w ." $$bad; exit 1; }
	for os in linux darwin windows; do GOOS=$$os $(fast) go vet $(packages) || exit 1; done
	$(fast) go run $(staticcheck) $(packages)
	go run $(revive) -config revive.toml -set_exit_status $(packages)
	go run $(actionlint) docs/hooks/github/*.yml .github/workflows/*.yml
	go mod tidy -diff
	d=$$(mktemp -d) && trap "rm -rf $$d" EXIT && cp -R $(machine)/. $$d && cd $$d && mv machine.mod go.mod && mv machine.sum go.sum && \
		CGO_ENABLED=0 go vet -trimpath ./sandbox/... && go run $(revive) -config $(CURDIR)/revive.toml -set_exit_status ./...
	CGO_ENABLED=1 $(fast) go test -race -timeout 40m $(units)

bench: $(rolecall) ## measure a start, a lab beside one bare pod, and a class, on both clusters
	go test ./harness/e2e -run '^$$' -bench '$(or $(BENCH),Lab)' -benchtime $(or $(TIMES),5)x -timeout 30m -args --cluster kind --beside embedded
	$(if $(BENCH),,go test ./harness/e2e -run '^$$' -bench Start -benchtime $(or $(TIMES),3)x -timeout 30m -args --cluster kind --beside embedded)
	$(if $(BENCH),,go test ./harness/e2e -run '^$$' -bench Grade -benchtime 1x -timeout 30m -args --cluster kind --beside embedded)

systems := $(or $(strip $(SYSTEMS)),linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64)
version  = $(or $(strip $(VERSION)),$(shell git describe --tags --always --dirty))
carries  = $(if $(filter linux/%,$1),-tags onefile)
program  = dist/rolecall-$(subst /,-,$1)$(if $(filter windows/%,$1),.exe)

# On Linux the one file carries all that an embedded cluster needs. It is published
# compressed, for what its system can unpack; the digests are of both.
dist: ## make a release in dist/: one file for each system, and checksums.txt
	go run ./harness/cluster/pack $(patsubst linux/%,%,$(filter linux/%,$(systems)))
	rm -rf dist && mkdir dist
	$(foreach s,$(systems),GOOS=$(subst /, GOARCH=,$s) go build $(call carries,$s) -ldflags="-s -w -X rolecall/harness/grade.release=$(version)" -o $(call program,$s) . &&) true
	cd dist && for f in *; do case $$f in *linux*) xz -k $$f ;; *darwin*) gzip -kn $$f ;; esac || exit 1; done && sha256sum * >checksums.txt && ls -l

# ---- The command -----------------------------------------------------------

# The first time, while the command's modules are downloaded, what it needs of the
# standard library is compiled, and then what a cluster is compiled from is downloaded.
ahead = { $(many) go build -p $(processors) net/http; go mod download -modfile=$(machine)/machine.mod; } >/dev/null 2>&1 & ahead=$$!;

sources := $(shell find . -name '*.go' -not -name '*_test.go' -not -path './.*' -not -path './work/*') go.mod go.sum \
	$(shell find manifests labs $(machine) -type f -not -name '*.go' -not -path '*/wrong/*' -not -path '*/right/*')

$(rolecall): $(sources)
	$(do)command -v go >/dev/null || { echo 'rolecall is built with Go, which is not installed here: see https://go.dev/doc/install' >&2; exit 1; }
	$(do)echo 'building $@ (the first time takes 2 minutes)'; $(if $(wildcard $@),$(fast) go build,$(many) go build -p $(processors)) -ldflags="-s -w" -o $@ . & build=$$!; $(if $(wildcard $@),,$(ahead)) \
	(past=0; while sleep 8 >/dev/null 2>&1; do past=$$((past + 8)); echo "building $@: $$past s"; done) & clock=$$!; \
	trap "kill $$build $$clock $$ahead 2>/dev/null" EXIT; trap 'echo "Interrupted; run the same command again, and the build goes on." >&2; exit 1' INT TERM; wait $$build || exit 1

endif
