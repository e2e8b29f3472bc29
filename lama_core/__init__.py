"""What the server, the editors and the command line share; each folder can be imported alone."""
