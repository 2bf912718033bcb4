"""Development tools of the project; the operator does not import them."""
