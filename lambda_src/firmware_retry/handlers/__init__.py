"""One module a step; each has the entry point ``handler``."""
