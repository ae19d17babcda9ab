"""Routes that compile their builders of addresses once a process."""

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

_Builder = Callable[..., tuple[str, str]]
_builders: dict[tuple[Any, ...], _Builder] = {}


class RememberingRule(Rule):
    """Werkzeug compiles Python for each route of each application, which takes nine tenths of making one."""

    def _compile_builder(self, append_unknown: bool = True) -> _Builder:
        """Return what was compiled for an equal route; it finds the application's converters in ``self``."""
        if self.defaults:
            return super()._compile_builder(append_unknown)
        key = (self.rule, *self._trace, append_unknown)
        if key not in _builders:
            _builders[key] = super()._compile_builder(append_unknown)
        return _builders[key]
