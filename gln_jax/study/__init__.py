"""The paper's questions, answered by numbers: `python -m gln_jax.study --help`."""
