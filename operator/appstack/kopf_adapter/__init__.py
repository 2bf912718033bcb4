"""Everything that concerns kopf: its settings, and its watch as the source of AppStack events."""
