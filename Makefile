# `make help` lists what there is.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)

# Tools are built once for each state of their pins, outside of the repository.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/barrage
TOOLS := $(CACHE)/tools-$(shell cksum < tools/go.mod | cut -d' ' -f1)

# Tests may start servers, and mount file systems where they run as root.
export BARRAGE_SERVERS ?= 1
TESTFLAGS ?=
# Those first that take minutes of waiting, so that the others run beside them.
PACKAGES := ./test/e2e ./cluster/membership ./test/balancer ./test/chaos ./...

.PHONY: help build run cluster test vet test-go test-browser race lint fmt vuln fuzz bench soak chaos proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/barrage
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/barrage ./cmd/barrage

run: build ## serve on http://127.0.0.1:8080 with configs/laptop.yaml
	env -u BARRAGE_SERVERS bin/barrage serve --config configs/laptop.yaml

cluster: build ## Consul, ClickHouse, three nodes and nginx on this machine; Ctrl-C stops them
	BARRAGE_BIN=bin/barrage tools/scripts/cluster

test: vet test-go test-browser ## vet and all tests: Go, Chromium, Firefox, Node clients

vet: ## go vet
	go vet ./...

test-go: ## Go tests; TESTFLAGS are those of go test
	tools/scripts/go-tests $(TESTFLAGS) $(PACKAGES)

test-browser: build ## browsers and Node clients against bin/barrage
	tools/scripts/browser-tests

race: ## Go tests under the race detector, the shorter form
	tools/scripts/go-tests -race -short $(TESTFLAGS) $(PACKAGES)

lint: $(TOOLS)/golangci-lint ## golangci-lint with .golangci.yml
	$(TOOLS)/golangci-lint run ./...

fmt: $(TOOLS)/gofumpt ## format the Go files
	$(TOOLS)/gofumpt -l -w .

vuln: $(TOOLS)/govulncheck ## known vulnerabilities in what is called
	$(TOOLS)/govulncheck ./...

fuzz: ## every fuzz target for FUZZTIME=20s; 10m is the long run; FUZZJOBS=4 at a time
	tools/scripts/fuzz

bench: ## Go benchmarks; `bin/barrage bench --help` measures a whole node
	go test -run '^$$' -bench . -benchmem ./...

soak: ## outage, backlog, deep history with ClickHouse, an attack; half an hour; SOAK_SCALE=0.1: a tenth
	tools/scripts/install-packages clickhouse-server=clickhouse-server wrk=wrk
	go test -tags soak -timeout 90m -count=1 -v $(TESTFLAGS) ./test/soak

chaos: ## three nodes under faults at random, 25 minutes; CHAOS_MINUTES, CHAOS_SEED, CHAOS_KEEP=folder
	tools/scripts/install-packages clickhouse-server=clickhouse-server ip=iproute2 nft=nftables
	BARRAGE_CONSUL="$${BARRAGE_CONSUL:-$$(tools/scripts/consul)}" \
		go test -tags chaos -timeout 180m -count=1 -v $(TESTFLAGS) ./test/chaos/...

proto: $(TOOLS)/protoc-gen-go ## generate *.pb.go anew
	tools/scripts/install-packages protoc=protobuf-compiler
	PATH='$(TOOLS)':"$$PATH" protoc -I . --go_out=. --go_opt=module=barrage persistence/records/records.proto
	PATH='$(TOOLS)':"$$PATH" protoc -I actors/wire -I "$$(go list -m -f '{{.Dir}}' github.com/asynkron/protoactor-go)/actor" \
		--go_out=. --go_opt=module=barrage --go_opt=Mactor.proto=github.com/asynkron/protoactor-go/actor wire.proto

clean: ## remove what was built
	rm -rf bin

tool = $(1): tools/go.mod tools/go.sum; go -C tools build -trimpath -o '$(1)' $(2)
$(eval $(call tool,$(TOOLS)/golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint))
$(eval $(call tool,$(TOOLS)/gofumpt,mvdan.cc/gofumpt))
$(eval $(call tool,$(TOOLS)/govulncheck,golang.org/x/vuln/cmd/govulncheck))
$(eval $(call tool,$(TOOLS)/protoc-gen-go,google.golang.org/protobuf/cmd/protoc-gen-go))
