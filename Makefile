# Thin names for what the Go program in dev/ does; it needs neither Docker nor anything installed beside Go.
# -v: who never built it sees what is compiled; later it is silent.
.DEFAULT_GOAL := help
.PHONY: help demo up test bench check doctor clean distclean

help: ## this list
	@while IFS= read -r line; do case "$$line" in [a-z]*:*\#\#*) printf '%-10s %s\n' "$${line%%:*}" "$${line##*\#\# }";; esac; done < $(firstword $(MAKEFILE_LIST))

demo: ## play five payments with their troubles on a whole stack; stays up until Ctrl-C
	@go run -v ./dev demo

up: ## the same stack without the story
	@go run -v ./dev up

test: ## go test on a fresh Postgres and Temporal; ARGS='-run Name ./api' for less
	@go run -v ./dev test $(ARGS)

bench: ## every benchmark on a fresh Postgres and Temporal; ARGS='-benchtime=1x ./internal/postgres' for others
	@go run -v ./dev bench $(ARGS)

check: ## gofmt, vet, staticcheck, workflowcheck, import table, go.mod files
	@go run -v ./dev check

doctor: ## what was found on this machine, and why
	@go run -v ./dev doctor

clean: ## remove this checkout's data
	@go run -v ./dev reset

distclean: ## remove the built and fetched programs, too
	@go run -v ./dev reset --cache
