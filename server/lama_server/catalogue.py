"""The installed models, as the server tells clients of them."""

from __future__ import annotations

import time

from lama_core.client.protocol.limits import MAX_NAME
from lama_core.client.protocol.messages import Model

_FRESH_SECONDS = 1.0


class StoreCatalogue:
    """Lists the installed models, and looks again when the last look is more than a second old."""

    def __init__(self, chosen: str) -> None:
        """`chosen`: the model to use by default; "" leaves it to the folder of models."""
        self._chosen = chosen
        self._models: tuple[Model, ...] = ()
        self._looked = -_FRESH_SECONDS

    def models(self) -> tuple[Model, ...]:
        """All that can be used, by name."""
        if time.monotonic() - self._looked >= _FRESH_SECONDS:
            self._look()
        return self._models

    def has(self, name: str) -> bool:
        """Whether a model can be used; one that was installed just now can."""
        if not any(name == model.name for model in self.models()):
            self._look()
        return any(name == model.name for model in self._models)

    def default(self) -> str:
        """The model of a fill that names none."""
        from lama_core.model.installed import registry

        default = self._chosen or registry.default_model()[:MAX_NAME]
        if default:
            self.has(default)  # so that `models` lists it from now on
        return default

    def _look(self) -> None:
        from lama_core.model.installed import registry  # not needed to accept the first connection

        usable = (model for model in registry.list_models() if not model.problem)
        self._models = tuple(Model(name=model.name, title=model.name) for model in usable)
        self._looked = time.monotonic()
