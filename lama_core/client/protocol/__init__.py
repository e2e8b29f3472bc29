"""The protocol between an editor and the server, without any input or output.

`messages` says what can be said, `codec` turns it into bytes and back, `session` says what may be said when,
`auth` keeps others out, `limits` and `errors` hold the numbers and the codes. docs/protocol.md is the same in
prose, for a client in any language. Standard library and msgpack only; Python 3.9.
"""
