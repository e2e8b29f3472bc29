"""The server's own page: files, sessions, and the desk from which it gets pictures of the command line."""
