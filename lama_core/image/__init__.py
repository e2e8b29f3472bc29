"""Pixel formats, work on the mask of a hole, and blending, in numpy alone."""
