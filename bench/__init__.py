"""Benchmarks of AppStack against bare request loops and baseline controllers: `make bench`."""
