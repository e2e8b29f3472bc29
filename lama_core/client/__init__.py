"""All that an editor carries: Python 3.9, standard library, websockets and msgpack.

The files here say what a fill is (errors, geometry, selection) and import none of the folders. `protocol/` is
the messages without any I/O, `connection/` finds, starts and talks to the server, `plugin/` is what all
plug-ins share and `gimp/` what those for GIMP do.
"""
