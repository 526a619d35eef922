"""Options of a vendor: one table row each, from the command line as text or from the control API as JSON."""

import hashlib
from dataclasses import dataclass


class OptionError(ValueError):
    """A request to the control API, or an argument, that makes no sense."""


@dataclass(frozen=True)
class Option:
    name: str
    kind: str           # int, float, bool, str, list (comma separated), or words joined by | (one of them)
    default: object
    help: str
    secret: bool = False    # shown as hashes only

    def parse(self, value):
        try:
            return _PARSERS[self.kind](value) if self.kind in _PARSERS else self._word(value)
        except (TypeError, ValueError) as error:
            raise OptionError(f"option {self.name}: {value!r} is not {self.kind}") from error

    def _word(self, value):
        if value not in self.kind.split("|"):
            raise ValueError(value)
        return value


class Options:
    """Values of a vendor's options as attributes."""

    def __init__(self, table, texts):
        self._table = {option.name: option for option in table}
        for option in table:
            setattr(self, option.name, option.default)
        for name, text in texts.items():
            self.set(name, text)

    def __contains__(self, name):
        return name in self._table

    def set(self, name, value):
        if name not in self._table:
            raise OptionError(f"no option {name}; there are: {', '.join(sorted(self._table))}")
        setattr(self, name, self._table[name].parse(value))

    def values(self):
        """For display."""
        return {name: _hashes(getattr(self, name)) if option.secret else getattr(self, name)
                for name, option in self._table.items()}


def _hashes(values):
    return ["sha256:" + hashlib.sha256(value.encode()).hexdigest()[:16] for value in values]


def _parse_bool(value):
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]


def _parse_list(value):
    if isinstance(value, str):
        return [item for item in value.split(",") if item]
    if not isinstance(value, list):
        raise TypeError(value)
    return [str(item) for item in value]


def _parse_text(value):
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_PARSERS = {"int": int, "float": float, "bool": _parse_bool, "str": _parse_text, "list": _parse_list}
