"""The routes, one noun a file: decode, call, wrap."""
