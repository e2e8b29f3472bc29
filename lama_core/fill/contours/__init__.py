"""Contours that the hole interrupts, joined through it: edges, lines, cables, shores."""
