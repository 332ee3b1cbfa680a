"""The suite itself: one thread for a process."""

import os

from threadpoolctl import threadpool_info


def test_products_run_in_as_many_threads_as_the_suite_says():
    """In one, unless the user wants more: NumPy was imported when that had been said."""
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    wanted = int(os.environ["OPENBLAS_NUM_THREADS"])
    assert all(pool["num_threads"] == wanted for pool in pools), pools
