# What ships the operator and shows it at work: included by the root Makefile.
# It brings `setup` (the .venv) and tools/cluster.mk brings `images`: the cluster with the operator's image on its nodes.

PYTHON ?= .venv/bin/python

.PHONY: demo e2e helm-lint

demo: images ## a real cluster, the operator by Helm, and examples/01-release-app at work
	@$(PYTHON) -m tools.demo

e2e: images metrics-server ## the end-to-end tests: real pods; EXAMPLE=sidecar-log runs one example's
	@$(PYTHON) -m pytest $(if $(EXAMPLE),tests/e2e/test_$(subst -,_,$(EXAMPLE)).py,tests/e2e) --numprocesses 2 --dist loadfile

helm-lint: setup ## the chart alone, without a cluster
	@$$($(PYTHON) -c "from tools.cluster import programs; print(programs.ensure(['helm'])['helm'])") lint --strict deploy/appstack
