"""The command's side of the page: the picture files of the command line, at their full depth."""
