"""The paper's questions, answered by numbers: `python -m tools.studies --help`."""
