"""BentoML computing the three numbers: `bentoml serve benchmarks.peers.bentoml_service:Scorer`."""

import bentoml

from benchmarks.peers.scoring import scores


@bentoml.service(traffic={"timeout": 600})
class Scorer:
    """A document in, the numbers out."""

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    def predict(self, prediction: str, target: str) -> dict[str, float]:
        """The numbers."""
        return scores({"prediction": prediction, "target": target})
