"""What a worker's environment says about arithmetic; that it works is tested in tests/training."""

from sgdlab.launch.local import single_threaded


def test_a_worker_has_one_thread_and_mkl_s_kernels_for_any_alignment() -> None:
    environment = single_threaded({"OMP_NUM_THREADS": "8", "HOME": "/h"})
    assert environment["HOME"] == "/h"
    assert environment["MKL_CBWR"] == "AVX2"
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    assert {environment[name] for name in threads} == {"1"}


def test_a_person_s_own_choice_of_kernels_stands() -> None:
    environment = single_threaded({"MKL_CBWR": "COMPATIBLE"})
    assert environment["MKL_CBWR"] == "COMPATIBLE"
