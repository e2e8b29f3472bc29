"""What the plug-ins for GIMP 3 and GIMP 2.10 share; it knows no version of GIMP.

`options` are the arguments of the procedure, `job` is a fill from layers to patches, `progress` is shown
meanwhile. The plug-in for GIMP 3 calls them. That for 2.10 runs on Python 2.7 and can carry none of this: it
talks to `relay` through a pipe, in `frames`.
"""
