"""What a server needs to be shared by a studio: users, their limits, TLS, and who filled what."""
