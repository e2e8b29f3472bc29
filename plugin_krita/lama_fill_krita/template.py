"""A Krita file with one empty layer, which has what Krita's scripting cannot make.

A script can make a transparency mask, but not write its pixels, and it cannot add frames to a layer. It can
write to the mask and the frames of an opened file. So the layer is made in a document of its own and then
cloned into the artist's document, which is one step of undo there.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE DOC PUBLIC '-//KDE//DTD krita 2.0//EN' 'http://www.calligra.org/DTD/krita-2.0.dtd'>
<DOC xmlns="http://www.calligra.org/DTD/krita" syntaxVersion="2.0" kritaVersion="5.0.0" editor="Krita">
 <IMAGE name="fill" mime="application/x-kra" width="{width}" height="{height}" colorspacename="RGBA"
  profile="sRGB-elle-V2-srgbtrc.icc" x-res="72" y-res="72" description="">
  <layers>
   <layer name="fill" filename="layer1" nodetype="paintlayer" visible="1" opacity="255" compositeop="normal"
    colorspacename="RGBA" x="0" y="0" locked="0" channelflags="" channellockflags=""{keyframes}>
    <masks>{mask}</masks>
   </layer>
  </layers>
  <animation>
   <framerate value="24" type="value"/>
   <range from="0" to="100" type="timerange"/>
   <currentTime value="0" type="value"/>
  </animation>
 </IMAGE>
</DOC>
"""
_MASK = '<mask name="edge" filename="mask2" nodetype="transparencymask" visible="1" locked="0" x="0" y="0"/>'
_KEYFRAMES = """<?xml version="1.0" encoding="UTF-8"?>
<keyframes xmlns="http://www.calligra.org/DTD/krita-keyframes"><channel name="content">
{frames}</channel></keyframes>
"""
_KEYFRAME = (
    '<keyframe color-label="0" time="{time}" frame="{file}"><offset x="0" y="0" type="point"/></keyframe>\n'
)
_NO_TILES = "VERSION 2\nTILEWIDTH 64\nTILEHEIGHT 64\nPIXELSIZE {size}\nDATA 0\n"


def document(width: int, height: int, *, with_mask: bool, times: Sequence[int]) -> bytes:
    """The file: an RGBA document with an empty paint layer.

    Args:
        width, height: of the document.
        with_mask: give the layer a transparency mask that hides everything.
        times: frames to give the layer, ascending; none for a layer that is not animated.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/x-krita")
        archive.writestr(
            "maindoc.xml",
            _DOCUMENT.format(
                width=width,
                height=height,
                keyframes=' keyframes="layer1.keyframes.xml"' if times else "",
                mask=_MASK if with_mask else "",
            ),
        )
        files = [f"layer1.f{number}" if number else "layer1" for number in range(max(1, len(times)))]
        for file in files:
            archive.writestr(f"fill/layers/{file}", _NO_TILES.format(size=4))
            archive.writestr(f"fill/layers/{file}.defaultpixel", bytes(4))
        if times:
            frames = "".join(_KEYFRAME.format(time=time, file=file) for time, file in zip(times, files))
            archive.writestr("fill/layers/layer1.keyframes.xml", _KEYFRAMES.format(frames=frames))
        if with_mask:
            archive.writestr("fill/layers/mask2.pixelselection", _NO_TILES.format(size=1))
            archive.writestr("fill/layers/mask2.pixelselection.defaultpixel", bytes(1))
    return content.getvalue()
