"""A service with a fault: seven pixels bring it down, and its complaint holds them. It is run as a program."""

from dataclasses import dataclass

from lossgauge_service.app import create_app
from lossgauge_service.engine import Engine
from lossgauge_service.engine.staging import Staged
from lossgauge_service.logs import configure
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.server import server_of
from lossgauge_service.settings import load

PIXELS = 7


@dataclass(frozen=True)
class Faulty(Engine):
    """Fails at some samples, and says what they are: as text, as a list, and in what caused it."""

    def launch(self, batch: Staged) -> Outcomes:
        for part in batch.parts:
            for sample in part.samples.values():
                if sample.elements == PIXELS:
                    raise _fault(sample)
        return super().launch(batch)


def _fault(sample: object) -> Exception:
    values = [value.tolist() for value in vars(sample).values() if hasattr(value, "tolist")]
    fault = ValueError(f"seven pixels: {values} {sample!r}\n{values}")
    fault.__cause__ = KeyError(str(values))
    return fault


def main() -> None:
    """Serve at a free port of this machine; the environment has the keys."""
    settings = load({}, port=0, device="cpu", kernel="eager")
    configure(settings.log_format, settings.log_level)
    engine = Engine.build("cpu", "eager")
    server_of(create_app(settings, Faulty(engine.device, engine.kernels, engine.info)), settings).run()


if __name__ == "__main__":
    main()
