"""What a browser gets from the server: the page's files, and the answers to its plain requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from lama_core.client.protocol import auth
from lama_server.web.page import Page
from lama_server.web.sessions import Sessions

FILES: Final = Path(__file__).parent / "static"
"""What web/ is built into."""
PREFIX: Final = "/web/"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def policy(port: int) -> dict[str, str]:
    """The headers that keep a page to itself: its own files alone, no frame around it, no other host."""
    content = "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            # Not every browser counts a websocket as 'self'.
            f"connect-src 'self' ws://{auth.host(port)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )
    return {
        "Content-Security-Policy": content,
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }


class Site:
    """Answers what a page asks for by plain requests."""

    def __init__(self, *, port: int, sessions: Sessions, version: str) -> None:
        self._headers = policy(port)
        self._sessions = sessions
        self._version = version

    def answers(self, path: str) -> bool:
        """Whether the path is one of the page's."""
        return path == "/" or path.startswith(PREFIX)

    def answer(self, path: str, authorizations: Sequence[str]) -> Page | None:
        """What is at a path; None when nothing is there.

        Args:
            path: one that `answers` takes.
            authorizations: every value of the `Authorization` header.
        """
        name = "index.html" if path == "/" else path[len(PREFIX) :]
        if name == "session":
            return self._proved(self._sessions.begin(authorizations), {})
        if name == "ticket":
            verdict, ticket = self._sessions.ticket(authorizations)
            return self._proved(verdict, {"ticket": ticket})
        if name == "declaration.json":
            return self._page(self._declaration, ".json")
        file = self._files.get(name)
        return None if file is None else self._page(file.read_bytes(), file.suffix)

    def _page(self, body: bytes, suffix: str, status: int = 200, proof: str = "") -> Page:
        headers = {**self._headers, auth.SERVER_PROOF: proof} if proof else self._headers
        return Page(body=body, content_type=_TYPES[suffix], status=status, headers=headers)

    def _proved(self, verdict: auth.Verdict, answer: dict[str, str]) -> Page:
        if verdict.admitted:
            return self._page(json.dumps(answer).encode(), ".json", proof=verdict.proof)
        return self._page(json.dumps({"error": verdict.reason}).encode(), ".json", status=verdict.status)

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The files by their names in an address; nothing else can be asked for."""
        found = (path for path in FILES.rglob("*") if path.suffix in _TYPES)
        return {path.relative_to(FILES).as_posix(): path for path in found}

    @cached_property
    def _declaration(self) -> bytes:
        # Imported at the first request, because the server's start does not need it.
        from lama_server.web.declaration import declaration

        return json.dumps({"version": self._version, **declaration()}).encode()
