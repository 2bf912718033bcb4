"""The Lease: one operator for each namespace, and fencing of the requests of a former leader."""
