"""Picture files of any kind: which are read, what their pixels mean, and how results are written."""
