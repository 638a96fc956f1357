"""The user's own key for pickled values: a file that no one else can read, outside every cache."""

from __future__ import annotations

import contextlib
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_LENGTH = 32


def pickle_key() -> bytes:
    """The key, which is made when it is first asked for: `$XDG_DATA_HOME/everfresh/key`, 0600, 32 random bytes.

    PermissionError if the file belongs to others or can be read by them, ValueError if it is not a key.
    """
    path = key_path()
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def key_path() -> Path:
    """Where the key lies."""
    from pathlib import Path

    # The specification has relative paths ignored.
    base = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share"
    return folder / "everfresh" / "key"


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
            raise PermissionError(f"`{path}` has to be a file that its owner alone can read: chmod 600, or delete it")
        key = os.read(descriptor, _LENGTH + 1)
    finally:
        os.close(descriptor)
    if len(key) != _LENGTH:
        raise ValueError(f"`{path}` is no key of {_LENGTH} bytes: delete it, and what was pickled is computed again")
    return key


def _make(path: Path) -> None:
    """Makes the key whole under another name and links it to its own, which only the first process can."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = os.urandom(_LENGTH)
    draft = path.with_name(f"key.{os.getpid()}.{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, key)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
