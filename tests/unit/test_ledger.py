"""Adding the tiles' sums up by row."""

import numpy as np
import torch
from lossgauge_service.engine.ledger import Layout, Ledger, Table


def test_the_ledger_adds_up_each_row() -> None:
    """Whatever launch its tiles came with; of extremes the most extreme."""
    ledger = Ledger(3)
    layout = Layout.of({"low": 0, "p": 1}, 2)
    for owners, low, p in (([1, 1, 0], [5.0, 4, 7], [1.0, 2, 3]), ([0, 2, 1], [8.0, 9, 3], [4.0, 5, 6])):
        ledger.enter(np.array(owners), [Table.of(layout, torch.tensor([low, p]))])
    assert {key: column.tolist() for key, column in ledger.columns.items()} == {"p": [7, 9, 5], "low": [7, 3, 9]}


def test_the_ledger_adds_in_float64() -> None:
    """A float32 tile sum that float32 would swallow is kept."""
    ledger = Ledger(1)
    ledger.enter(
        np.array([0, 0]), [Table.of(Layout.of({"p": 0}, 1), torch.tensor([[2.0**24, 1.0]], dtype=torch.float32))]
    )
    assert ledger.columns["p"].tolist() == [2.0**24 + 1]
