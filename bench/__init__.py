"""How fast AppStack is, beside a bare loop and beside its peers: `make bench`."""
