"""Training of LaMa generators: masks, data, losses and one readable loop."""
