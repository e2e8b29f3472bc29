"""LaMa Fill for GIMP 3.

`host` alone knows GIMP. What it has to decide and to compute is in the other modules, which run, and are
tested, without it: `options`, `pixels`, `job`, `finding`, `explain`, `texts`. Python 3.9 and its standard
library.
"""
