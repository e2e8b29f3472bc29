"""The GIMPs and Kritas of this user, and the plug-ins in them."""
