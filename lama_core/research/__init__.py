"""Training and judging generators: nothing that fills a picture for a user imports it."""
