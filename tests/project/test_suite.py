"""The test suite itself: every process uses one thread."""

import os

from threadpoolctl import threadpool_info


def test_blas_uses_as_many_threads_as_conftest_sets():
    """One, unless the user sets another number; it has an effect only if it is set before NumPy is imported."""
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    wanted = int(os.environ["OPENBLAS_NUM_THREADS"])
    assert all(pool["num_threads"] == wanted for pool in pools), pools
