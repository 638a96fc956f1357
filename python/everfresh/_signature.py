"""How a call's arguments meet a function's parameters, without making a dictionary of each call."""

from __future__ import annotations

import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Bound = tuple[list[Any], tuple[Any, ...], dict[str, Any]]

_POSITIONAL_ONLY, _VAR_POSITIONAL, _VAR_KEYWORD = 0, 2, 4


class Signature:
    """The parameters of a function as the cache needs them.

    `f(5)`, `f(x=5)` and a default of 5 are bound to the same values. The order of keywords in `**kwargs` counts.
    """

    __slots__ = ("defaults", "names", "positional", "positional_only", "var_keyword", "var_positional")

    def __init__(self, function: Callable[..., Any]) -> None:
        names: list[str]
        if isinstance(function, types.FunctionType):
            code = function.__code__
            self.positional_only = code.co_posonlyargcount
            self.positional = code.co_argcount
            names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
            self.var_positional = bool(code.co_flags & 0x04)
            self.var_keyword = bool(code.co_flags & 0x08)
            defaults = function.__defaults__ or ()
            first = code.co_argcount - len(defaults)
            self.defaults = {first + place: value for place, value in enumerate(defaults)}
            for name, value in (function.__kwdefaults__ or {}).items():
                self.defaults[names.index(name)] = value
        else:
            self._inspect(function)
            return
        self.names = tuple(names)

    def _inspect(self, function: Callable[..., Any]) -> None:
        import inspect

        names: list[str] = []
        self.defaults = {}
        self.positional_only = self.positional = 0
        self.var_positional = self.var_keyword = False
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            # A built-in function that does not say: nothing can be given another name.
            parameters = []
            self.var_positional = self.var_keyword = True
        for parameter in parameters:
            if parameter.kind == _VAR_POSITIONAL:
                self.var_positional = True
            elif parameter.kind == _VAR_KEYWORD:
                self.var_keyword = True
            else:
                if parameter.default is not parameter.empty:
                    self.defaults[len(names)] = parameter.default
                self.positional_only += parameter.kind == _POSITIONAL_ONLY
                self.positional += parameter.kind < _VAR_POSITIONAL
                names.append(parameter.name)
        self.names = tuple(names)

    def places(self, ignored: Iterable[str]) -> tuple[int, ...]:
        """The places of parameters that stay out of the key.

        Raises:
            ValueError: if there is no parameter of that name.
        """
        places = []
        for name in ignored:
            if name in self.names:
                places.append(self.names.index(name))
            else:
                raise ValueError(f"ignore: there is no parameter `{name}`; there are {', '.join(self.names) or 'none'}")
        return tuple(places)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Bound | None:
        """The values of all parameters in order, further positional arguments, and further keywords.

        `None` if the arguments do not fit: the function says best what is wrong with them.
        """
        names, kwargs = self.names, kwargs or {}
        given = min(len(args), self.positional)
        if len(args) > given and not self.var_positional:
            return None
        values: list[Any] = list(args[:given])
        taken = 0
        for place in range(given, len(names)):
            name = names[place]
            if place >= self.positional_only and name in kwargs:
                values.append(kwargs[name])
                taken += 1
            elif place in self.defaults:
                values.append(self.defaults[place])
            else:
                return None
        if taken == len(kwargs):
            return values, args[given:], {}
        if not self.var_keyword or any(name in kwargs for name in names[self.positional_only : given]):
            return None
        known = names[max(given, self.positional_only) :]
        return values, args[given:], {name: value for name, value in kwargs.items() if name not in known}

    def spread(self, bound: Bound) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Bound arguments as a call: those that have a place by place, the others by name."""
        values, further, keywords = bound
        return (
            (*values[: self.positional], *further),
            dict(zip(self.names[self.positional :], values[self.positional :], strict=True)) | keywords,
        )
