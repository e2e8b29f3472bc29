"""What repeats on a plane in perspective: how a tiled floor, a facade, a fence goes on in the hole."""
