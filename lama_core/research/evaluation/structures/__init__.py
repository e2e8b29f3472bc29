"""Rendered scenes whose lines must go on through the hole, and how far fills do that."""
