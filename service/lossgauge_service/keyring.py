"""The keys that there are: those of a setting, and those of a file, which is read again once it has changed."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from lossgauge_service.keys import SHAPE, InvalidKeys, Key, check_distinct, holder, parsed

log = logging.getLogger("lossgauge.keys")

LOOK_EVERY_S = 1.0
SETTING, FILE_SETTING = "LOSSGAUGE_API_KEYS", "LOSSGAUGE_API_KEYS_FILE"
MOST_FILE_BYTES = 2**20

Stamp = tuple[int, int, int, int]


class Keyring:
    """Keys by whom they are held. A file that cannot be read any more leaves the keys as they were, and is told in the log."""

    def __init__(self, text: str, file: Path | None, now: Callable[[], float] = time.monotonic) -> None:
        """Read the keys. Raises `InvalidKeys`, also for a file without any."""
        self._own = parsed(text, SETTING)
        self._file = file
        self._now = now
        self._looked = now()
        self._seen = _stamp(file)
        self._keys = self._read()
        if file is not None and len(self._keys) == len(self._own):
            raise InvalidKeys(f"{FILE_SETTING}: {file} holds no key")

    def __len__(self) -> int:
        return len(self._keys)

    def holder(self, shown: bytes) -> Key | None:
        """Whose key this is, or None. What is not written as a key is none, whatever its digest is."""
        if self._now() - self._looked >= LOOK_EVERY_S:
            self._look()
        return holder(self._keys, shown) if SHAPE.fullmatch(shown.decode("latin-1")) else None

    def _look(self) -> None:
        """Take what the file has become."""
        self._looked = self._now()
        seen = _stamp(self._file)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = self._read()
        except InvalidKeys as invalid:
            log.error("the keys stay as they were: %s", invalid)
        else:
            log.info("the keys were read again: %d", len(self._keys))

    def _read(self) -> tuple[Key, ...]:
        keys = (*self._own, *(parsed(_text(self._file), FILE_SETTING) if self._file else ()))
        check_distinct(keys)
        return keys


def _stamp(file: Path | None) -> Stamp | None:
    """What differs once a file is another; None while there is none."""
    try:
        found = os.stat(file) if file else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _text(file: Path) -> str:
    try:
        if not file.is_file() or file.stat().st_size > MOST_FILE_BYTES:
            raise InvalidKeys(f"{FILE_SETTING}: {file} is not a file of at most {MOST_FILE_BYTES} bytes")
        return file.read_text("utf-8")
    except OSError as error:
        raise InvalidKeys(f"{FILE_SETTING}: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidKeys(f"{FILE_SETTING}: {file} is not UTF-8") from None
