"""The report of a run: tables, plots, key figures, and the page in docs/performance."""
