"""Runs the relay that the plug-in carries, by any Python 3: for a sandbox, and where no `lama-fill` is found.

An older Python has to get as far as to say so.
"""

import os
import sys

if sys.version_info < (3, 9):
    sys.exit("LaMa Fill needs Python 3.9 or later, and python3 is Python {}.{}".format(*sys.version_info[:2]))

# What is installed elsewhere may be another version.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lama_core.client.gimp.relay import relay_standard_streams

sys.exit(relay_standard_streams())
