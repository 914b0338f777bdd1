"""Compares trained networks with the methods of the paper's tables: `python evaluate.py --methods`."""
