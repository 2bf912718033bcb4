"""The administrator's policy: limits of the AppStacks in a namespace."""
