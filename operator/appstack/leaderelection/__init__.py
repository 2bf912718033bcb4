"""Leader election with a Lease: one operator per namespace, and fencing of the requests of a former leader."""
