"""What a caller reads of maps: arrays by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lossgauge.encodings import safetensors
from lossgauge.encodings.base import ArrayRejected, Caps
from lossgauge.errors import UndefinedScore, UnreadableAnswer
from lossgauge.mapping import MapAnswer, MapResponse

WHATEVER_COMES = Caps(array_elements=2**40, dimensions=64)
MOST_TENSORS = 2**16


@dataclass(frozen=True, repr=False)
class MapSet(Mapping[str, NDArray[Any]]):
    """The maps of one pair, read like a mapping; `told` has what the answer says of each, `answer` all of it.

    The gradient of a score without a value is no array: it raises `UndefinedScore` here, and `told` has the reason.

    >>> told = MapAnswer(name="dice.gradient", kind="gradient", undefined="both_empty")
    >>> MapSet(None, {"errors": np.zeros((2, 2), np.uint8)}, {"dice.gradient": told})
    MapSet(id=None)
      errors  uint8 (2, 2)
      dice.gradient  undefined: both_empty
    """

    id: str | None
    arrays: Mapping[str, NDArray[Any]]
    told: Mapping[str, MapAnswer]
    answer: MapResponse | None = None

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """The maps of an answer in safetensors. Raises `UnreadableAnswer` where it is none."""
        try:
            metadata, arrays = safetensors.read(response.content, WHATEVER_COMES, MOST_TENSORS)
            answer = MapResponse.model_validate_json(metadata.get(safetensors.ANSWER, ""))
        except (ArrayRejected, ValidationError) as error:
            raise UnreadableAnswer(f"{response.url}: not the maps of a pair: {str(error)[:200]}") from error
        told = {one.name: one for one in answer.maps}
        return cls(answer.id, {name: np.array(arrays[name]) for name in told if name in arrays}, told, answer)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.arrays and name in self.told:
            raise UndefinedScore(name, self.told[name].undefined)
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __repr__(self) -> str:
        here = [f"  {name}  {array.dtype} {array.shape}" for name, array in self.arrays.items()]
        lost = [f"  {name}  undefined: {one.undefined}" for name, one in self.told.items() if name not in self.arrays]
        return "\n".join([f"{type(self).__name__}(id={self.id!r})", *here, *lost])
