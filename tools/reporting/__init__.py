"""Modules that the command-line tools share.

- ``tables``     tables of figures, for the terminal and for pages of the docs
- ``arguments``  checked values of options
"""
