"""One Kubernetes cluster for demo and tests: kind, on Docker or on an engine of our own."""
