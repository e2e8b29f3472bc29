"""LaMa Fill for GIMP 3.

`host` alone knows GIMP. What has to be decided and computed is in the other modules, which run, and are
tested, without it, and in `lama_core.client.plugin`, which the plug-in for Krita shares. Python 3.9 and its
standard library.
"""
