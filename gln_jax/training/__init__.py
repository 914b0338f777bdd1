"""A training run: its two updates, its checkpoints and logs."""
