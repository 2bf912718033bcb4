"""List and watch: the caches of AppStacks and of the objects they own."""
