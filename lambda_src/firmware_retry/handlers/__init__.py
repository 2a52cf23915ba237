"""One module per step, named after it; each has the entry point ``handler``."""
