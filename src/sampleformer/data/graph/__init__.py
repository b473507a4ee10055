"""Graphs: molecules, tables of nodes and edges, archives, PyTorch Geometric."""
