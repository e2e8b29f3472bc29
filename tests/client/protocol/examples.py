"""One of each message."""

from __future__ import annotations

from lama_core.client.options import FillOptions
from lama_core.client.protocol.codec import Message
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Cancelled,
    Device,
    Error,
    Fill,
    Hello,
    Model,
    Preview,
    Progress,
    Result,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
    Worker,
)


def client_examples() -> list[Message]:
    """One of each message that a client sends."""
    return [
        Hello(client="test", client_version="1.0"),
        Fill(
            job=7,
            width=3,
            height=2,
            format="rgba",
            depth="u8",
            pixels=bytes(range(24)),
            hole=bytes([0, 0, 255, 0, 128, 0]),
            options=FillOptions(
                grow=4,
                context=64,
                quality="best",
                join_islands=False,
                seed=9,
                transfer="linear",
                seam=False,
                grain=False,
            ),
            model="big-lama",
            preview=True,
        ),
        Cancel(job=7),
        StatusRequest(),
        Shutdown(),
    ]


def server_examples() -> list[Message]:
    """One of each message that a server sends."""
    devices = (Device(id="cuda:0", name="GPU", memory_bytes=1 << 33), Device(id="cpu", name="CPU"))
    models = (Model(name="compact", title="Compact", license="Apache-2.0"),)
    return [
        Welcome(
            server_version="1.0",
            limits=Limits(),
            devices=devices,
            models=models,
            default_model="compact",
        ),
        Accepted(job=7, position=3),
        Progress(job=7, stage="filling", fraction=0.5, position=0),
        Preview(job=7, x=1, y=0, width=2, height=1, scale=3, pixels=bytes(range(8))),
        Result(
            job=7,
            x=1,
            y=0,
            width=2,
            height=2,
            format="gray",
            depth="u16",
            pixels=bytes(8),
            blend=bytes([255, 128, 0, 255]),
            model="compact",
            device="cpu",
            seconds=0.25,
        ),
        Cancelled(job=7),
        Error.of("busy", "the queue is full", job=7),
        Error.of("shutting_down", "the server is ending"),
        ServerStatus(
            state="ready",
            server_version="1.0",
            pid=4711,
            uptime_seconds=12.5,
            connections=2,
            queued=1,
            running=1,
            done=5,
            failed=1,
            stopped=2,
            workers=(Worker(device="cpu", state="busy", model="compact", pid=4712, jobs=8),),
            devices=devices,
            models=models,
            default_model="compact",
            problem="",
        ),
    ]
