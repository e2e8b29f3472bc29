"""`python -m tests.faults.coverage_fuzz FLAGS`: atheris looks for new ways through decoding.

What comes out must be a message, or an error that the protocol documents. FLAGS are those of libFuzzer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lama_core.client.protocol", "lama_core.client.options"]):
    from lama_core.client.protocol.codec import encode
    from tests.client.protocol.examples import client_examples, server_examples
    from tests.client.protocol.fuzzing import check_frame

MAX_LENGTH = 4096


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for number, message in enumerate(client_examples() + server_examples()):
            (Path(corpus) / str(number)).write_bytes(encode(message))
        atheris.Setup([*sys.argv, f"-max_len={MAX_LENGTH}", corpus], check_frame)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
