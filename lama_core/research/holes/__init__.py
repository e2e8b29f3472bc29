"""Random holes, as they are trained and judged with."""
