"""One module for each sub-command of `lama-fill`."""
