"""Networks that judge a generator: feature extractors and the discriminator."""
