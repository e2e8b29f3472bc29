"""What fills are worth: figures, baselines, rendered sets, sheets."""
