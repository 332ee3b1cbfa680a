"""scan: record a step once, derive its backward pass, run both as programs."""

from tinygrad_seq.scan.explain import explain
from tinygrad_seq.scan.scan import scan, unrolled

__all__ = ["explain", "scan", "unrolled"]
