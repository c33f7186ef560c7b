"""Where a store lies: a folder, or a URL that fsspec knows; and in words what can go wrong there."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
from zarr.errors import BaseZarrError

from fvhooks.errors import FVHooksError, MissingDependencyError, StoreError, did_you_mean

_LOCAL = ("file://", "local://")
_EXTRAS = {"s3": "remote", "s3a": "remote"}
_ABANDONED = 600.0  # seconds after which nobody writes a temporary file any more
_MOMENT = 0.5  # seconds
_LIBRARIES = ("aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "obstore", "s3fs")
_CONFIGURE = (
    "fsspec and its library find them in their own settings, on every machine that takes part: "
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL (or AWS_PROFILE) for s3://, FSSPEC_… "
    "variables or ~/.config/fsspec for all."
)


def is_url(path: str) -> bool:
    """Whether a path names a protocol.

    Examples:
        >>> is_url("s3://bucket/key"), is_url("/data/stats.zarr")
        (True, False)
    """
    return "://" in path


def normalised(path: str | Path) -> str:
    """A path that means the same in every process; URLs of folders here become paths, which write atomically.

    Examples:
        >>> normalised("s3://bucket/stats.zarr/"), normalised("file:///data/stats.zarr")
        ('s3://bucket/stats.zarr', '/data/stats.zarr')
    """
    text = str(path)
    for protocol in _LOCAL:
        text = text.removeprefix(protocol)
    return text.rstrip("/") if is_url(text) else str(Path(text).expanduser().absolute())


def is_taken(path: str) -> bool:
    """Whether something is at a path; an empty folder is nothing."""
    if is_url(path):
        files, inside = fsspec.url_to_fs(path)
        return bool(files.exists(inside))
    folder = Path(path)
    return folder.exists() and (folder.is_file() or any(folder.iterdir()))


def has_metadata(path: str) -> bool:
    """Whether Zarr's metadata are at a path, or come in a moment: another process may be making a store."""
    end = time.monotonic() + _MOMENT
    while not (found := is_taken(f"{path}/zarr.json")) and time.monotonic() < end:
        time.sleep(_MOMENT / 20)
    return found


def sweep(path: str) -> None:
    """Remove the temporary files that killed processes have left in a folder; a URL has none.

    Args:
        path: as `normalised` gives it.
    """
    if is_url(path):
        return
    for folder, _, names in os.walk(path):  # passes over folders that another process removes meanwhile
        for file in (Path(folder, name) for name in names if name.endswith(".partial")):
            with suppress(OSError):  # it was finished, or removed by another process, or is not ours
                if time.time() - file.stat().st_mtime > _ABANDONED:
                    file.unlink()


@contextmanager
def explained(path: str, doing: str) -> Iterator[None]:
    """What keeps the block from reaching a place becomes an error that says what to do.

    Examples:
        >>> with explained("nowhere://x", "read"):
        ...     fsspec.url_to_fs("nowhere://x")
        Traceback (most recent call last):
        fvhooks.errors.StoreError: Expected a folder or a URL of a protocol that fsspec knows, got nowhere://x...

    Args:
        path: as `normalised` gives it.
        doing: what the block does there: "read" or "write to".

    Raises:
        StoreError: no permission, no credentials, no such bucket, no answer, an unknown protocol.
        MissingDependencyError: the protocol's library is not installed.
    """
    try:
        yield
    except (FVHooksError, BaseZarrError):
        raise
    except Exception as error:
        found = _of_url(path, doing, error) if is_url(path) else _of_folder(path, doing, error)
        if found is None:
            raise
        raise found from error


def _of_url(path: str, doing: str, error: Exception) -> FVHooksError | None:
    protocol, said = path.partition("://")[0], " ".join(str(error).split())
    if isinstance(error, ImportError):
        extra = _EXTRAS.get(protocol)
        advice = f"Install it with: pip install 'fvhooks[{extra}]'" if extra else "Install what that names."
        return MissingDependencyError(
            f"{protocol}:// URLs need a library that is not installed ({said}). {advice}"
        )
    if isinstance(error, ValueError) and "rotocol not known" in said:
        hint = did_you_mean(protocol, fsspec.available_protocols())
        return StoreError(
            f"Expected a folder or a URL of a protocol that fsspec knows, got {path}.{hint} The usual ones "
            "are s3://, gs://, az://."
        )
    answer = _answer(doing, error, said)
    return None if answer is None else StoreError(f"Expected to {doing} {path}, but {answer}")


def _answer(doing: str, error: Exception, said: str) -> str | None:
    """What a server, or the way to it, said."""
    if "redential" in type(error).__name__ or "redential" in said:
        return f"no credentials are known ({said}). {_CONFIGURE}"
    if isinstance(error, PermissionError):
        lack = f"the credentials are wrong, or lack the right to {doing} it"
        return f"the server refuses ({said}): {lack}. {_CONFIGURE}"
    if isinstance(error, FileNotFoundError):
        return (
            f"there is no such bucket, or something in it is gone ({said}). Make the bucket, or correct "
            "the name; where it worked until now, collect again."
        )
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _LIBRARIES:
        return (
            f"got no answer ({type(error).__name__}: {said}). Look at the address, the network and whether "
            "the server runs; collecting again goes on where it was stopped."
        )
    return None


def _of_folder(path: str, doing: str, error: Exception) -> StoreError | None:
    what = f"Expected to {doing} {path}, but"
    if isinstance(error, PermissionError):
        where = getattr(error, "filename", None) or path
        return StoreError(
            f"{what} there is no permission for {where}. Change its owner or mode, or use another path."
        )
    if isinstance(error, NotADirectoryError | FileExistsError | IsADirectoryError):
        return StoreError(f"{what} a file is in the way ({error}). A store is a folder: use another path.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return StoreError(
            f"{what} the disk takes nothing more ({error.strerror}). What is done is kept: make room and "
            "collect again."
        )
    return None
