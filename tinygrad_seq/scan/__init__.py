"""scan: record a step once, derive its backward pass, run both as programs."""

from tinygrad_seq.scan.explain import explain
from tinygrad_seq.scan.op import SCAN
from tinygrad_seq.scan.over_time import scan, unrolled
from tinygrad_seq.scan.pushed import pushed

__all__ = ["explain", "scan", "unrolled"]

SCAN.joint_jvp(pushed)  # declared here, since it calls scan, which calls the op
