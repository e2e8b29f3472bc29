"""The engine whose workers are actors of a Ray cluster; `gateway` and what it imports alone have Ray."""
