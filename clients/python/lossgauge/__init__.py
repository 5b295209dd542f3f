"""lossgauge: losses and metrics of predicted masks and prediction arrays, over HTTP."""

__version__ = "0.1.0"
