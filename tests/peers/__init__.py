"""Each library that a preset is of, run beside ours on the same samples."""
