"""The models that are at hand by name: the user's, and the one that ships with the package."""
