# Targets for the cluster of demo and tests, included by the root Makefile. See `python3 -m tools.cluster --help`.

PYTHON3 ?= python3

.PHONY: cluster cluster-down cluster-status images metrics-server

cluster: ## create a Kubernetes cluster of two nodes (kind), unless one is running
	@$(PYTHON3) -m tools.cluster up

cluster-down: ## remove the cluster and all its state except the cache
	@$(PYTHON3) -m tools.cluster down

cluster-status: ## print whether the cluster is running and healthy
	@$(PYTHON3) -m tools.cluster status

images: setup cluster ## load the operator's image of this checkout onto the nodes, and build helm
	@$(PYTHON) -m tools.cluster images

metrics-server: cluster ## install metrics-server on the cluster, for HorizontalPodAutoscalers
	@$(PYTHON3) -m tools.cluster metrics-server
