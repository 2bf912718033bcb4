# The cluster that demo and tests run on: included by the root Makefile. `python3 -m tools.cluster --help` has more.

PYTHON3 ?= python3

.PHONY: cluster cluster-down cluster-status images metrics-server

cluster: ## a Kubernetes cluster of two nodes (kind), or the one that is up already
	@$(PYTHON3) -m tools.cluster up

cluster-down: ## remove every trace of it but the cache
	@$(PYTHON3) -m tools.cluster down

cluster-status: ## say whether it is up and well
	@$(PYTHON3) -m tools.cluster status

images: setup cluster ## the operator's image from this checkout on the nodes, and helm: ready to install it
	@$(PYTHON) -m tools.cluster images

metrics-server: cluster ## metrics-server on the cluster: what a HorizontalPodAutoscaler reads
	@$(PYTHON3) -m tools.cluster metrics-server
