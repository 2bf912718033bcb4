"""One Kubernetes cluster for demo and tests: kind, on the user's Docker or on an engine of our own.

Start reading at life.py, which tells when a cluster is made, used again and removed. docker.py chooses the engine;
kind.py describes the cluster. Only where nothing can be pulled come in: engine.py with namespace.py and runtime.py
(Debian's Docker in namespaces of its own), nodeimage.py (what kind's node image would be), network.py (what kind's
network would do), and the stand-ins for public images in images.py. debian.py and programs.py bring the material:
packages, and programs built from the Go modules that are pinned in tools/programs.
"""
