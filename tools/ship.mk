# Targets for the demo, the end-to-end tests and the chart, included by the root Makefile.
# `setup` (the .venv) is defined there, and `images` (a cluster with the operator's image) in tools/cluster.mk.

PYTHON ?= .venv/bin/python

.PHONY: demo e2e helm-lint

demo: images ## create a cluster, install the operator by Helm, and run examples/01-release-app
	@$(PYTHON) -m tools.demo

e2e: images metrics-server ## run the end-to-end tests with real pods; EXAMPLE=sidecar-log runs those of one example
	@$(PYTHON) -m pytest $(if $(EXAMPLE),tests/e2e/test_$(subst -,_,$(EXAMPLE)).py,tests/e2e) --numprocesses 2 --dist loadfile

helm-lint: setup ## lint the chart, without a cluster
	@$$($(PYTHON) -c "from tools.cluster import programs; print(programs.ensure(['helm'])['helm'])") lint --strict deploy/appstack
