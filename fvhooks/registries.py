"""Things that are found by name: one file each, known to fvhooks by existing."""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from fvhooks.errors import NotRegisteredError, did_you_mean

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from names to the objects that the files of one folder register.

    The files are imported at the first look-up, then the entry points of the group of the folder's name,
    so that another package can add its own.

    Examples:
        >>> from fvhooks.statistics import STATISTICS
        >>> "moments" in STATISTICS
        True

    Args:
        package: dotted name of the folder whose files register themselves.
        noun: what one entry is called in errors ("recipe", "check", …).
    """

    def __init__(self, package: str, noun: str) -> None:
        self.package, self.noun = package, noun
        self._entries: dict[str, T] = {}
        self._owners: dict[str, str] = {}
        self._loaded = self._loading = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate an object to register it under `name`.

        Raises:
            ValueError: the name is taken, by which module.
        """

        def decorate(entry: T) -> T:
            owner = getattr(entry, "__module__", type(entry).__module__)
            if name in self._entries and self._owners[name] != owner:
                raise ValueError(
                    f"The {self.noun} {name!r} of {owner} is already registered by {self._owners[name]}."
                )
            self._entries[name], self._owners[name] = entry, owner
            return entry

        return decorate

    def unregister(self, name: str) -> None:
        """Forget an entry, so that a notebook can register the next version of it.

        Raises:
            NotRegisteredError: nothing is registered under `name`.
        """
        self[name]  # raises, naming what is known
        del self._entries[name], self._owners[name]

    def _load(self) -> None:
        if self._loaded or self._loading:  # a file may look another entry up while it is imported
            return
        self._loading = True
        try:
            folder = import_module(self.package)
            for module in pkgutil.iter_modules(folder.__path__):
                import_module(f"{self.package}.{module.name}")
            for point in entry_points(group=self.package):
                point.load()
            self._loaded = True
        finally:
            self._loading = False

    def __getitem__(self, name: str) -> T:
        self._load()
        try:
            return self._entries[name]
        except KeyError as error:
            known = ", ".join(sorted(self._entries)) or "none"
            hint = did_you_mean(str(name), self._entries)
            raise NotRegisteredError(
                f"No {self.noun} is registered as {name!r}.{hint} Known: {known}."
            ) from error

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)
