"""The painter that continues what the picture shows: shifted copies of it, joined where seams do not show."""
