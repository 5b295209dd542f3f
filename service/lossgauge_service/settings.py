"""The settings: from arguments or `LOSSGAUGE_*` variables, made once and handed down."""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from lossgauge.encodings.base import Caps
from lossgauge.wire import Limits
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "LOSSGAUGE_"
OF_CLIENTS = ("LOSSGAUGE_API_KEY",)
"""Variables that are not ours, but may stand in the same environment."""
OF_KUBERNETES = re.compile(
    rf"{PREFIX}(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.IGNORECASE
)
"""Those by which Kubernetes tells every pod where a Service is that is named lossgauge (`enableServiceLinks`)."""
LINK = re.compile(r"(tcp|udp|sctp)://.*")
"""What it says in `LOSSGAUGE_PORT`, of the same name as a setting."""

Cap = Annotated[int, Field(ge=1)]


class InvalidSettings(ValueError):
    """A setting that is not known, or whose value is not allowed."""


def _default_kernel_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lossgauge" / "kernels"


class Settings(BaseSettings):
    """Everything that can be set, each as `LOSSGAUGE_<NAME>` too. The caps are those of `GET /v1/limits`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    unix_socket: Annotated[Path, AfterValidator(Path.expanduser)] | None = Field(
        default=None,
        description="A socket to listen on beside it, as a file for its owner alone: for callers on this machine.",
    )
    insecure: bool = Field(
        default=False, description="Listen beyond this machine though no key is asked for; keys that there are stay."
    )
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys that are asked for, as `lossgauge key` prints them for the service, between commas or spaces.",
    )
    api_keys_file: Annotated[Path, AfterValidator(Path.expanduser)] | None = Field(
        default=None, description="A file with more of them, a key a line; read again within a second of a change."
    )
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$", description="auto, cpu, cuda or cuda:N."
    )
    kernel: Literal["auto", "compiled", "eager"] = Field(
        default="auto", description="auto, compiled or eager; auto compiles where there is a compiler."
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="Threads of the CPU engine; torch's choice by default."
    )
    kernel_cache: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=_default_kernel_cache, description="Where compiled kernels are kept."
    )

    timeout_s: float = Field(
        default=120.0,
        gt=0,
        le=86400,
        description="Seconds that a request may take, and `X-Request-Timeout-Ms` may ask for, at most.",
    )
    pending_bytes: int = Field(
        default=2 * 2**30,
        ge=1,
        description="Bytes of all requests that are being served; beyond it 429. One alone may hold more.",
    )
    pending_pairs: int = Field(
        default=4096,
        ge=1,
        description="Pairs of all requests that are being served; beyond it 429. One batch alone may hold more.",
    )
    grace_s: float = Field(
        default=30.0, ge=0, le=3600, description="Seconds that requests have to end when the service is told to stop."
    )
    idle_s: float = Field(
        default=60.0,
        gt=0,
        le=86400,
        description="Seconds in which a caller must send something of a body or take something of a large answer; of a stream, either.",
    )
    decoders: int = Field(default=4, ge=1, le=256, description="Threads that inflate, decode and check bodies.")

    log_format: Literal["json", "console"] = Field(
        default="json", description="json, a document a line, or console, for a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error: what is less than that is not logged."
    )
    otel: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Traces by OpenTelemetry: on, off, or auto, as its own `OTEL_*` variables say. Needs the extra `otel`.",
    )

    body_bytes: Cap = 256 * 2**20
    inflated_bytes: Cap = 256 * 2**20
    document_bytes: Cap = 16 * 2**20
    header_bytes: Cap = 64 * 2**10
    array_elements: Cap = 2**26
    map_elements: Cap = 2**26
    list_elements: Cap = 2**20
    image_pixels: Cap = 2**26
    dimensions: Cap = 8
    items: Cap = 1024
    parts: Cap = 3100
    classes: Cap = 256
    metrics: Cap = 64
    json_depth: Cap = 32
    json_values: Cap = 2**22
    json_members: Cap = 2**12

    @property
    def limits(self) -> Limits:
        """The caps, as the service tells them."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})

    @property
    def caps(self) -> Caps:
        """The caps of a single array."""
        return Caps(**{cap.name: getattr(self, cap.name) for cap in fields(Caps)})


def load(environment: Mapping[str, str], **given: Any) -> Settings:
    """Read the settings, with `given` before the environment's; `InvalidSettings` names what is wrong with them."""
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in OF_CLIENTS and not OF_KUBERNETES.fullmatch(name):
            _check_known(name)
    if _is_linked(environment):
        given = {"port": Settings.model_fields["port"].default, **given}
    try:
        return Settings(**given)
    except ValidationError as invalid:
        complaints = [_complaint(error, given) for error in invalid.errors(include_url=False)]
        raise InvalidSettings("; ".join(complaints)) from None


def _is_linked(environment: Mapping[str, str]) -> bool:
    """Whether the variable of the port is not a setting, but where a Service is."""
    return any(name.upper() == f"{PREFIX}PORT" and LINK.fullmatch(value) for name, value in environment.items())


def _check_known(name: str) -> None:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    if name.upper() not in known:
        close = difflib.get_close_matches(name.upper(), known, n=1)
        raise InvalidSettings(f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else ""))


def _complaint(error: Any, given: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    source = f"--{name.replace('_', '-')}" if name in given else f"{PREFIX}{name.upper()}"
    return f"{source}: {error['msg']}; found {str(error['input'])[:80]!r}"
