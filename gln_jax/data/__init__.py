"""Aligned faces, from a folder or a public set to training batches."""
