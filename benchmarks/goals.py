"""The goals, on two cores with the compiled kernel; each is a ratio of medians of one run unless its unit says otherwise."""

from benchmarks.goal import Goal

CORE = Goal("core panel beside MONAI + torchmetrics in process", ">=", 20)
FULL = Goal("full panel, 10 thresholds, beside MONAI + torchmetrics in process", ">=", 100)
CORE_EAGER = Goal("core panel, eager kernel, beside MONAI + torchmetrics", ">=", 3)
FULL_EAGER = Goal("full panel, eager kernel, beside MONAI + torchmetrics", ">=", 10)
FOCAL_GRID = Goal("49-cell focal grid beside one focal, time", "<=", 3)
TWENTY = Goal("20 metrics beside 1 in one request, time", "<=", 2)
LABELS = Goal("labels against labels (IoU, dice, counts) beside torchmetrics", ">=", 30)
BARE = Goal("1 MiB logits + 256 KiB target beside bare FastAPI reading the same body, p50", "<=", 1.5)
PEER_SERVICES = Goal("same numbers, base64 npy in JSON, 16 callers, requests per second", ">=", 5)
SAFETENSORS = Goal("safetensors beside our own base64 npy", ">=", 2)
END_TO_END = Goal("200 pairs over HTTP beside the in-process peers' loop, full panel", ">=", 20)
MEMORY = Goal("peak memory of the server during a request, above idle, over its body", "<=", 2.5)
GROWTH = Goal("time against work, exponent", "<=", 1.05, "")
COPY_BANDWIDTH = Goal("GPU, resident tensors, share of copy bandwidth", ">=", 80, "%")

SURFACE = Goal("surface distances beside MONAI", ">=", 5)
LOVASZ = Goal("Lovasz losses beside segmentation_models_pytorch", ">=", 1)
SHARED_LAUNCHES = Goal("32 callers of small pairs, shared launches beside one each, calls per second", ">=", 3)
