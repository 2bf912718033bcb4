"""From results to a table, plots, and the figures that the project is held to."""
