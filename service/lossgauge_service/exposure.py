"""Who can reach the service: this machine alone, or others, against whom it has keys."""

import ipaddress
import socket

ADVICE = (
    "give it keys (LOSSGAUGE_API_KEYS or LOSSGAUGE_API_KEYS_FILE, made by `lossgauge key`), "
    "or say that this is meant: --insecure, LOSSGAUGE_INSECURE=true"
)


class Exposed(ValueError):
    """The service would be open to whoever reaches this machine."""


def check(host: str, keys: int, insecure: bool) -> None:
    """Raise `Exposed` for an address beyond this machine without keys, unless that is meant."""
    if not (keys or insecure or is_loopback(host)):
        raise Exposed(
            f"{host or 'every address'} can be reached from other machines, and no key is asked for; {ADVICE}"
        )


def is_loopback(host: str) -> bool:
    """Whether all that a host stands for is this machine alone. No name, or one that is not known, is not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE) if host else []
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(address[0])).is_loopback for *_, address in found)
