"""What the plug-ins of both editors share; it knows no editor.

`texts` translates. `choices` is what the dialogs offer, `messages` what an error and a stage are called.
`pieces` plans what is sent for a hole and clips what comes back. `buffers` and `alpha` work on pixels as
bytes.
"""
