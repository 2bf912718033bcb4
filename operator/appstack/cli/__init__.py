"""The command `appstack`: one module for each word of it."""
