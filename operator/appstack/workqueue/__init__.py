"""The work queue: priorities, fair shares between namespaces, rate limits and back-off."""
