"""What is measured: a module per suite, each with one function that takes a stage and returns figures."""
