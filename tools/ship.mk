# What ships the operator and shows it at work: included by the root Makefile.
# It brings `setup` (the .venv) and tools/cluster.mk brings `cluster`.

PYTHON ?= .venv/bin/python

.PHONY: demo e2e helm-lint

demo: cluster ## a real cluster, the operator by Helm, and examples/01-release-app at work
	@$(PYTHON) -m tools.demo

# `make e2e EXAMPLE=sidecar-log` runs that example's tests only.
e2e: cluster ## the end-to-end tests: real pods
	$(PYTHON) -m pytest tests/e2e --numprocesses 2 --dist loadfile $(if $(EXAMPLE),-k test_$(subst -,_,$(EXAMPLE)).py)

helm-lint: ## the chart alone, without a cluster
	@$$($(PYTHON) -c "from tools.cluster import programs; print(programs.ensure(['helm'])['helm'])") lint --strict deploy/appstack
