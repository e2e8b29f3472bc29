"""Stays with the pages that it opened: hands them picture files, and starts the server again when it is lost.

docs/web.md has the messages. The socket is read in one thread, and pictures are worked on in another.
"""

from __future__ import annotations

import queue
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

import msgpack
import numpy as np
from numpy.typing import NDArray
from websockets import exceptions as ws
from websockets.sync.client import ClientConnection

from lama_cli.web.open_picture import LostFillsError, OpenPicture, Patch
from lama_core.client.connection import Client, FillCancelledError
from lama_core.client.connection.channel import open_websocket
from lama_core.client.connection.runtime import RuntimeFile
from lama_core.client.errors import LamaFillError
from lama_core.client.geometry import Rect
from lama_core.client.options import OPTIONS, FillOptions
from lama_core.client.protocol.codec import OPTION_KEYS, to_fields
from lama_core.client.protocol.messages import DESK_PATH, DESK_SUBPROTOCOL, Fill, Preview

_NUMBER: Final = struct.Struct(">I")
_PART: Final = 4 << 20
"""Bytes of a picture in one message."""
_GOING_AWAY: Final = 1001
_CONNECT_SECONDS: Final = 5.0
_TELL_SECONDS: Final = 0.1
"""How often at most the page is told of progress."""


class Desk:
    """The connection to one server, over which pages are served until it ends."""

    def __init__(
        self,
        server: RuntimeFile,
        pictures: Sequence[OpenPicture],
        filler: Callable[[], Client],
        *,
        is_shared: bool = False,
    ) -> None:
        """Connect.

        Args:
            server: to connect to.
            pictures: that pages may open.
            filler: makes the connection for fills, at the first one; it is this desk's own.
            is_shared: whether that leads to a shared server. Then pages fill all their pictures by it, those
                too that the browser opened.

        Raises:
            ClientError: as of `open_connection`.
        """
        self._stack = ExitStack()
        self._socket: ClientConnection = open_websocket(
            server, self._stack, _CONNECT_SECONDS, path=DESK_PATH, subprotocol=DESK_SUBPROTOCOL
        )
        self._pictures = {picture.key: picture for picture in pictures}
        self._filler = filler
        self._is_shared = is_shared
        self._client: Client | None = None
        self._work: queue.Queue[tuple[int, dict[str, Any]] | None] = queue.Queue()
        self._cancelled: set[tuple[int, int]] = set()
        self._gone: set[int] = set()
        self._offered = threading.Event()
        self.joined = threading.Event()

    def offer(self, token: str, *, used: bool) -> None:
        """Name the one-time token of a page, or one whose session is to go on.

        Raises:
            OSError, websockets.WebSocketException: the connection is lost.
        """
        self._send(0, {"type": "page", "token": token, "used": used})

    def run(self) -> bool:
        """Serve until the connection ends. Returns whether the server ended it in order."""
        worker = threading.Thread(target=self._run_work, name="pictures", daemon=True)
        worker.start()
        try:
            while True:
                message = self._socket.recv()
                if isinstance(message, bytes) and len(message) >= _NUMBER.size:
                    self._take(_NUMBER.unpack_from(message)[0], message[_NUMBER.size :])
        except (ws.WebSocketException, OSError, EOFError) as error:
            closed = getattr(error, "rcvd", None)
            return closed is not None and closed.code == _GOING_AWAY
        finally:
            self._work.put(None)
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._stack.close()

    def wait_until_offered(self, seconds: float) -> bool:
        """Whether the server has taken an offer in that time; `run` is in another thread."""
        return self._offered.wait(seconds)

    def _take(self, page: int, message: bytes) -> None:
        try:
            fields = msgpack.unpackb(message)
            kind, about = fields["type"], int(fields.get("page" if page == 0 else "request", 0))
        except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException):
            return  # not one of ours: a page of another version
        if page != 0:
            if kind == "cancel":
                self._cancelled.add((page, about))
            else:
                self._work.put((page, fields))
        elif kind == "joined":
            self.joined.set()
            self._work.put((about, {"type": "list"}))
        elif kind == "left":
            self._gone.add(about)
        elif kind == "offered":
            self._offered.set()

    def _run_work(self) -> None:
        try:
            while (item := self._work.get()) is not None:
                self._work_on(*item)
        except (ws.WebSocketException, OSError):
            return  # the connection is lost, and so is whoever waits for an answer
        finally:
            if self._client is not None:
                self._client.close()

    def _work_on(self, page: int, fields: dict[str, Any]) -> None:
        request = fields.get("request", 0)
        try:
            self._answer(page, request, fields)
        except LostFillsError as error:
            self._send(page, {"type": "lost", "request": request, "names": error.names})
        except FillCancelledError:
            self._send(page, {"type": "cancelled", "request": request})
        except LamaFillError as error:
            self._send(page, {"type": "error", "request": request, "message": str(error)})
        except (KeyError, TypeError, ValueError, AttributeError, MemoryError) as error:
            words = f"this could not be done ({type(error).__name__}): reload the page"
            self._send(page, {"type": "error", "request": request, "message": words})

    def _answer(self, page: int, request: int, fields: dict[str, Any]) -> None:
        kind = fields["type"]
        if kind == "list":
            self._send(page, {"type": "pictures", "pictures": self._list(), "shared": self._models()})
            return
        if kind == "window":
            self._fill_window(page, request, fields)
            return
        picture = self._pictures.get(fields["key"])
        if picture is None:
            raise LamaFillError("this picture is not open: start `lama-fill web` with it again")
        if kind == "open":
            self._send_preview(page, request, picture)
        elif kind == "restore":
            picture.restore(fields["fills"])
            self._send(page, {"type": "restored", "request": request})
        elif kind == "save":
            path = picture.save(fields["fills"])
            self._send(page, {"type": "saved", "request": request, "path": str(path)})
        elif kind == "fill":
            self._fill(page, request, picture, fields)

    def _list(self) -> list[dict[str, Any]]:
        return [_described(picture) for picture in self._pictures.values()]

    def _models(self) -> dict[str, Any] | None:
        """What a shared server fills with; None where there is none, or it cannot be reached now."""
        if not self._is_shared:
            return None
        try:
            welcome = self._server().welcome
        except LamaFillError:
            return {"models": [], "default_model": ""}  # each fill says why
        models = [{"name": model.name, "title": model.title} for model in welcome.models]
        return {"models": models, "default_model": welcome.default_model}

    def _server(self) -> Client:
        if self._client is None:
            self._client = self._filler()
        return self._client

    def _send_preview(self, page: int, request: int, picture: OpenPicture) -> None:
        data = picture.preview()
        for begin in range(0, len(data), _PART):
            part = data[begin : begin + _PART]
            last = begin + _PART >= len(data)
            self._send(page, {"type": "part", "request": request, "bytes": part, "last": last})

    def _fill(self, page: int, request: int, picture: OpenPicture, fields: dict[str, Any]) -> None:
        at, hole = _mask(fields["mask"])
        source = fields.get("source")
        server = self._server()
        progress, previewed, cancelled = self._callbacks(page, request)
        patches = picture.fill(
            fields["base"],
            hole,
            at,
            _options(fields["options"]),
            source=None if source is None else _mask(source),
            server=server,
            model=str(fields["options"].get("model", "")),
            progress=progress,
            previewed=previewed if fields.get("preview") else None,
            cancelled=cancelled,
        )
        for number, patch in enumerate(patches, start=1):
            self._send_patch(page, request, patch, last=number == len(patches))

    def _fill_window(self, page: int, request: int, fields: dict[str, Any]) -> None:
        """Fill a window of a picture that the page has."""
        progress, previewed, cancelled = self._callbacks(page, request)
        fill = Fill(
            width=int(fields["width"]),
            height=int(fields["height"]),
            format=fields["format"],
            depth=fields["depth"],
            pixels=memoryview(fields["pixels"]),
            hole=memoryview(fields["hole"]),
            source=memoryview(fields.get("source", b"")),
            options=_options(fields["options"]),
            model=str(fields["options"].get("model", "")),
        )
        result = self._server().fill(
            fill,
            on_progress=lambda stage, fraction, position: progress(stage, fraction),
            on_preview=previewed if fields.get("preview") else None,
            cancelled=cancelled,
        )
        self._send(page, {**to_fields(result), "type": "filled", "request": request})

    def _callbacks(
        self, page: int, request: int
    ) -> tuple[Callable[[str, float], None], Callable[[Preview], None], Callable[[], bool]]:
        """What tells a page of a fill, and whether it still wants it."""
        told = 0.0

        def progress(stage: str, fraction: float) -> None:
            nonlocal told
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                about = {"type": "progress", "request": request, "stage": stage, "fraction": fraction}
                self._send(page, about)

        def previewed(preview: Preview) -> None:
            self._send(page, {**to_fields(preview), "request": request})

        def cancelled() -> bool:
            return (page, request) in self._cancelled or page in self._gone

        return progress, previewed, cancelled

    def _send_patch(self, page: int, request: int, patch: Patch, *, last: bool) -> None:
        rect = patch.rect
        about = {
            "type": "patch",
            "request": request,
            "name": patch.name,
            "x": rect.x,
            "y": rect.y,
            "width": rect.width,
            "height": rect.height,
            "pixels": patch.shown,
            "blend": patch.blend,
            "full": patch.full,
            "last": last,
        }
        self._send(page, about)

    def _send(self, page: int, fields: dict[str, Any]) -> None:
        self._socket.send(_NUMBER.pack(page) + msgpack.packb(fields))


def _mask(fields: dict[str, Any]) -> tuple[Rect, NDArray[np.uint8]]:
    """A rectangle of a mask, and what is in it: (height, width)."""
    at = Rect(*(int(fields[name]) for name in ("x", "y", "width", "height")))
    return at, np.frombuffer(fields["bytes"], np.uint8).reshape(at.height, at.width)


def _options(fields: dict[str, Any]) -> FillOptions:
    names = {key: name for name, key in OPTION_KEYS.items() if name != "transfer"}
    chosen = {names[key]: value for key, value in fields.items() if key in names}
    return FillOptions(**{name: chosen[name] for name in OPTIONS if name in chosen})


def _described(picture: OpenPicture) -> dict[str, Any]:
    try:
        return picture.describe()
    except LamaFillError as error:
        return {"key": picture.key, "name": picture.path.name, "error": str(error)}
