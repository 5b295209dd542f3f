"""Base64 is read strictly, and the same with the fast decoder and without it."""

import random
import string
import subprocess
import sys

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lossgauge.encodings import base64
from lossgauge.encodings.base import ArrayRejected

JUNK = [
    *["=", "==", "===", "====", "A", "AA", "AAA", "AAAAA", "A===", "AA=", "AAA==", "AAAA=", "AAAA==", "AAAA===="],
    *["AA==AA==", "AA=A", "=AAA", "A=AA", "QR==", "QUJ=", "A A=", " AAA", "AAA ", "AA==\n", "AA\n==", "\nAAAA"],
    *["-_-_", "AA\0=", "éAAA", "\ud800AAA", "A" * 75 + "*", "AAAA\r\nAAAA", "AAAA=AAA"],
]


@pytest.mark.parametrize("decoder", [base64.FASTEST, base64.plain])
@pytest.mark.parametrize("text", JUNK)
def test_junk_is_refused(decoder: base64.Decoder, text: str) -> None:
    """Other letters, blanks, wrong padding and stray bits are refused by both decoders."""
    with pytest.raises(ArrayRejected, match="not base64") as found:
        base64.decode_strictly(text, decoder)
    assert found.value.pointer == "/data"


@given(body=st.binary(max_size=100))
def test_bytes_come_back(body: bytes) -> None:
    """Both decoders give back the bytes, writable, and the size is known beforehand."""
    text = base64.encode(body)
    assert text == pybase64.b64encode(body).decode()
    assert base64.decoded_size(text) == len(body)
    assert base64.decode_strictly(text, base64.plain) == body
    assert base64.decode_strictly(text, base64.FASTEST) == body
    assert isinstance(base64.decode(text, 100, "array_elements"), bytearray)


def outcome(text: str, decoder: base64.Decoder) -> bytes | None:
    """The bytes, or None where the text is refused."""
    try:
        return bytes(base64.decode_strictly(text, decoder))
    except ArrayRejected:
        return None


def test_both_decoders_agree() -> None:
    """What one accepts or refuses, so does the other: 20,000 short texts, half of them nearly right."""
    rng = random.Random(20)
    letters = string.ascii_letters[:4] + "9+/==" + " -\né"
    texts = ["".join(rng.choices(letters, k=rng.randrange(13))) for _ in range(10_000)]
    texts += ["".join(rng.choices("AQgw", k=rng.randrange(10))) + "=" * rng.randrange(4) for _ in range(10_000)]
    outcomes = [(outcome(text, base64.plain), outcome(text, base64.FASTEST)) for text in texts]
    assert [pair for pair in outcomes if pair[0] != pair[1]] == []
    assert 1000 < sum(pair[0] is not None for pair in outcomes) < 19_000


def test_the_cap_is_exact() -> None:
    """As many bytes as are allowed are decoded; one more is refused by the cap's name."""
    assert base64.decode("QUJD", 3, "image_pixels") == b"ABC"
    with pytest.raises(ArrayRejected, match="3 bytes; at most 2") as found:
        base64.decode("QUJD", 2, "image_pixels")
    assert (found.value.code, found.value.limit) == ("limit_exceeded", "image_pixels")


def test_the_fast_decoder_is_taken_where_it_is_installed() -> None:
    """With pybase64 it is not the standard library's; a fresh interpreter without it decodes all the same."""
    assert base64.FASTEST is not base64.plain
    program = (
        "import sys; sys.modules['pybase64'] = None\n"
        "from lossgauge.encodings import base64\n"
        "print(base64.FASTEST is base64.plain, bytes(base64.decode('QUJD', 3, '')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True b'ABC'\n"
