"""The version of the plug-in; its archive is named after the same one."""

VERSION = "0.1.0"
