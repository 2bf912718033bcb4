"""A local Kubernetes cluster for demo and tests: kind, on the user's Docker engine or on one of the project's own.

The entry point is lifecycle.py: creation, reuse and removal of the cluster. docker.py selects the engine, and kind.py
has the cluster's configuration. Five modules serve machines that can't pull images: engine.py with namespace.py and
runtime.py (Debian's Docker engine in Linux namespaces of its own), nodeimage.py (a substitute for kind's node image)
and network.py (a substitute for kind's pod network). images.py also builds substitutes for public images there.
debian.py downloads packages, and programs.py builds the Go modules that tools/programs pins.
"""
