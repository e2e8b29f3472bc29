"""LaMa Fill for GIMP 3.

`host` alone knows GIMP. What has to be decided and computed is in the other modules, which run, and are
tested, without it, in `lama_core.client.gimp`, which the plug-in for GIMP 2.10 shares, and in
`lama_core.client.plugin`, which that for Krita does. Python 3.9 and its standard library.
"""
