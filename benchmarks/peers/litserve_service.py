"""LitServe computing the three numbers: `python -m benchmarks.peers.litserve_service PORT`."""

import sys
from typing import Any

import litserve

from benchmarks.peers.scoring import scores


class Scorer(litserve.LitAPI):  # type: ignore[misc]
    """A document in, the numbers out."""

    def setup(self, device: str) -> None:
        """There is no model."""

    def predict(self, document: Any) -> dict[str, float]:
        """The numbers."""
        return scores(document)


if __name__ == "__main__":
    server = litserve.LitServer(Scorer(), accelerator="cpu", timeout=False)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
