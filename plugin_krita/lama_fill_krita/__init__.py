"""LaMa Fill for Krita: the docker, its actions, and what they do.

`host` alone knows Krita and `qt` alone knows Qt. What has to be decided and computed is in the other modules,
which run, and are tested, without either. Python 3.9 and its standard library.
"""

from importlib.util import find_spec

from lama_fill_krita.vendored import use_private_copies

use_private_copies()

# Krita puts its module in place before it imports plug-ins; a test has none.
if find_spec("krita") is not None:
    from lama_fill_krita import host

    host.register()
