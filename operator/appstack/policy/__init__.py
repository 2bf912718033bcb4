"""Rules for the pods of AppStacks."""
