"""Devices, hosts, files and errors: what all other parts stand on."""
