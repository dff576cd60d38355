"""Base classes of configurations, in which unknown keys are errors."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Strict(BaseModel):
    """An immutable configuration that rejects unknown keys, so that typos are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Extended(Strict):
    """A configuration with keys that were added after models had been released.

    The keys in ``ADDED`` are not written while they have their default. Older models and
    checkpoints therefore keep their contents and fingerprints.
    """

    ADDED: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = {
            name
            for name in self.ADDED
            if getattr(self, name) == type(self).model_fields[name].default
        }
        return {name: value for name, value in handler(self).items() if name not in unused}
