"""The address of a shared server that an artist pastes: its token is remembered, and not shown again."""

from __future__ import annotations

from lama_core.client.connection.accounts import of_address, remember
from lama_core.client.connection.server_address import LOCAL, parse_address


def take_address(text: str) -> str:
    """What the field keeps of what was pasted.

    Args:
        text: an address, with or without a token; "local" for this machine's own server; "" for what is set.

    Raises:
        AddressError: it is none of these.
        AccountsFileError: the token cannot be kept.
    """
    text = text.strip()
    if not text or text == LOCAL:
        return text
    address = parse_address(text)
    if address.token:
        remember(of_address(address))
    return str(address)
