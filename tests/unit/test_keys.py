"""API keys: minted, kept as hashes, found in constant time; a file of them that changes."""

import hmac
import os
import re
from hashlib import sha256
from pathlib import Path

import pytest
from lossgauge_service.access import needed
from lossgauge_service.keyring import LOOK_EVERY_S, Keyring
from lossgauge_service.keys import SHAPE, InvalidKeys, Key, Scope, holder, minted, parsed

SHOWN, KEPT = minted("ci", "score")
OTHER, OTHER_KEPT = minted("dashboard", "read")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minted_key_is_random_and_kept_as_its_hash() -> None:
    """Two keys differ; each is 256 random bits after its mark, and nothing of it but SHA-256 is kept."""
    assert minted("ci", "score")[0] != SHOWN
    assert re.fullmatch(r"lg_[A-Za-z0-9_-]{43}", SHOWN)
    assert KEPT == Key("ci", "score", sha256(SHOWN.encode()).digest())
    assert SHOWN not in repr(KEPT) + KEPT.line


def test_a_line_is_read_as_it_is_written() -> None:
    """Lines, commas, spaces and comments separate keys; each is what was written."""
    text = f"# ours\n{KEPT.line}, {OTHER_KEPT.line} # of the wall\n\n"
    assert parsed(text, "here") == (KEPT, OTHER_KEPT)
    assert parsed(" \n,, # none", "here") == ()


@pytest.mark.parametrize(
    "entry",
    [
        SHOWN,
        f"ci:score:{SHOWN}",
        KEPT.line.upper(),
        KEPT.line + "0",
        KEPT.line[:-1],
        KEPT.line.replace("sha256", "md5"),
        KEPT.line.replace("score", "write"),
        KEPT.line.replace("ci", "c/i"),
        KEPT.line.replace("ci", ""),
        KEPT.line.replace("ci", "x" * 65),
        KEPT.line.replace("ci", "cï"),
        "\x00",
    ],
)
def test_what_is_no_entry_is_refused_unseen(entry: str) -> None:
    """An entry that is none is named by its place, and never shown: it may be a key that was put there by mistake."""
    with pytest.raises(InvalidKeys, match="there, entry 2: must be name:scope:sha256:digest") as refused:
        parsed(f"{OTHER_KEPT.line}\n{entry}", "there")
    assert entry not in str(refused.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", "x" * 65, "a\n"])
def test_a_name_that_is_none(name: str) -> None:
    """A key is minted for a name that its line can hold."""
    with pytest.raises(InvalidKeys, match="the name of a key"):
        minted(name, "read")


@pytest.mark.parametrize("shown", [SHOWN, OTHER, minted("x", "read")[0]], ids=["first", "last", "none"])
def test_every_key_is_compared_whatever_is_shown(shown: str) -> None:
    """Each comparison is made, whichever fits: no search ends early, and none is of anything but whole digests."""
    compared: list[tuple[int, int]] = []

    def same(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    found = holder((KEPT, OTHER_KEPT), shown.encode(), same)
    assert compared == [(32, 32)] * 2
    assert found == {SHOWN: KEPT, OTHER: OTHER_KEPT}.get(shown)


def test_the_comparison_takes_constant_time_by_itself() -> None:
    """What compares digests, unless a test gives another, is the standard library's."""
    assert holder.__defaults__ == (hmac.compare_digest,)


@pytest.mark.parametrize(
    "shown", ["", "lg_", SHOWN[:-1], SHOWN + "A", SHOWN + "\n", " " + SHOWN, SHOWN.upper(), "lg_" + "é" * 43]
)
def test_what_is_not_written_as_a_key_is_none(shown: str) -> None:
    """Another length, other characters: no key, though a line had its hash."""
    line = Key("weak", "score", sha256(shown.encode("latin-1")).digest()).line
    assert Keyring(f"{KEPT.line} {line}", None).holder(shown.encode("latin-1")) is None


def test_a_key_made_by_hand_is_none() -> None:
    """The hash of a password is a line like another, but the password is not written as a key."""
    line = Key("weak", "score", sha256(b"password").digest()).line
    assert Keyring(line, None).holder(b"password") is None
    assert not SHAPE.fullmatch("password")


def test_names_and_keys_stand_once() -> None:
    """Two keys of one name, or one key under two names, are refused: which would be taken away?"""
    with pytest.raises(InvalidKeys, match="two keys have the name 'ci'"):
        Keyring(f"{KEPT.line} {Key('ci', 'read', OTHER_KEPT.digest).line}", None)
    with pytest.raises(InvalidKeys, match="one key stands under two names"):
        Keyring(f"{KEPT.line} {Key('cd', 'read', KEPT.digest).line}", None)


def test_a_setting_and_a_file_add_up(tmp_path: Path) -> None:
    """Keys of both are known."""
    file = written(tmp_path / "keys", OTHER_KEPT.line)
    keyring = Keyring(KEPT.line, file)
    assert [keyring.holder(shown.encode()) for shown in (SHOWN, OTHER)] == [KEPT, OTHER_KEPT]
    assert (len(keyring), len(Keyring("", None))) == (2, 0)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """A key that was put in place of another is known within a second, and the other one no more; an emptied file has none."""
    clock, file = Clock(), written(tmp_path / "keys", KEPT.line)
    keyring = Keyring("", file, clock)
    written(file, OTHER_KEPT.line)
    assert keyring.holder(SHOWN.encode()) == KEPT
    clock.now += LOOK_EVERY_S
    assert [keyring.holder(shown.encode()) for shown in (SHOWN, OTHER)] == [None, OTHER_KEPT]
    written(file, "# nobody")
    clock.now += LOOK_EVERY_S
    assert [keyring.holder(shown.encode()) for shown in (SHOWN, OTHER)] == [None, None]


def test_a_file_that_is_spoilt_leaves_the_keys_as_they_were(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in the file, or no file, is told in the log once, without what stands there; a file that is right again counts."""
    clock, file = Clock(), written(tmp_path / "keys", KEPT.line)
    keyring = Keyring("", file, clock)
    for spoil in (lambda: written(file, f"{KEPT.line}\n{OTHER}"), file.unlink):
        spoil()
        for _ in range(2):
            clock.now += LOOK_EVERY_S
            assert keyring.holder(SHOWN.encode()) == KEPT
    written(file, OTHER_KEPT.line)
    clock.now += LOOK_EVERY_S
    assert keyring.holder(OTHER.encode()) == OTHER_KEPT
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert "entry 2" in errors[0]
    assert {record.name for record in caplog.records} == {"lossgauge.keys"}
    assert OTHER not in caplog.text


@pytest.mark.parametrize(
    ("content", "words"), [(b"# none\n", "holds no key"), (b"\xff", "not UTF-8"), (b" " * (2**20 + 1), "not a file")]
)
def test_a_file_that_cannot_be_one_of_keys(tmp_path: Path, content: bytes, words: str) -> None:
    """At the start a file without keys, of another encoding or far too large is refused."""
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(InvalidKeys, match=words):
        Keyring(KEPT.line, file)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A path where nothing is, or no plain file, is refused at the start; a pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(InvalidKeys, match="LOSSGAUGE_API_KEYS_FILE"):
            Keyring("", path)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/", None),
        ("POST", "/", None),
        ("GET", "/health/live", None),
        ("HEAD", "/health/ready", None),
        ("GET", "/v1/limits", "read"),
        ("HEAD", "/docs", "read"),
        ("OPTIONS", "/v1/score", "read"),
        ("POST", "/v1/score", "score"),
        ("post", "/v1/score", "score"),
        ("get", "/v1/limits", "score"),
        ("PUT", "/v1/limits", "score"),
        ("TRACE", "/nothing", "score"),
        ("GET", "", "read"),
        ("GET", "//", "read"),
        ("GET", "/.", "read"),
        ("GET", "*", "read"),
        ("GET", "/health", "read"),
        ("GET", "/health/", "read"),
        ("GET", "/health/live/", "read"),
        ("GET", "/health/live\n", "read"),
        ("GET", "/health/LIVE", "read"),
        ("POST", "/health/../v1/score", "score"),
        ("POST", "/health//v1/score", "score"),
        ("POST", "//v1/score", "score"),
        ("POST", "/health/live;/../../v1/score", "score"),
    ],
)
def test_what_is_needed(method: str, path: str, scope: Scope | None) -> None:
    """Only `/` and the checks of health are open, as they are written; what is not known needs a key."""
    assert needed(method, path) == scope


@pytest.mark.parametrize(
    ("scope", "asked", "may"),
    [("read", "read", True), ("read", "score", False), ("score", "read", True), ("score", "score", True)],
)
def test_what_a_scope_may(scope: Scope, asked: Scope, may: bool) -> None:
    """Who may score may read, not the other way round."""
    assert minted("x", scope)[1].allows(asked) is may


def written(file: Path, text: str) -> Path:
    """A file with this text, put in its place at once."""
    new = file.with_suffix(".new")
    new.write_text(text)
    return new.replace(file)
