"""The version of this program, in a file that any part may read without importing the public names."""

__version__ = "0.1.0"
