"""AppStack: an operator that turns one short resource into the workload that its author meant."""

__version__ = "0.1.0"
