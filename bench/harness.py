"""What the scripts of bench/ share: where the data is, how a program is run, a busy core."""

import functools
import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def mnist_folder():
    """As the tests look for it: GRADATIM_TEST_MNIST, ../shared/data/mnist, the user's cache."""
    if named := os.environ.get("GRADATIM_TEST_MNIST"):
        return pathlib.Path(named)
    for parent in ROOT.parents:
        if (parent / "shared/data/mnist").exists():
            return parent / "shared/data/mnist"
    if home := os.environ.get("GRADATIM_HOME"):
        return pathlib.Path(home) / "datasets/mnist"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = pathlib.Path(cache) if cache.startswith("/") else pathlib.Path.home() / ".cache"
    return base / "gradatim/datasets/mnist"


DATA = {
    "fashion-mnist": (
        pathlib.Path("/usr/share/datasets/fashion-mnist"),
        "apt-get install dataset-fashion-mnist",
    ),
    "mnist": (
        mnist_folder(),
        "`gradatim data fetch mnist` puts it into the cache; or set GRADATIM_TEST_MNIST",
    ),
}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
# What OpenBLAS takes by itself, None, is a slow fallback on processors newer than it knows.
OPENBLAS_CORES = (None, "SkylakeX", "Haswell")


def run(command, **environment):
    result = subprocess.run(
        command, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout.strip().splitlines()[-1])


def openblas(core, threads):
    """The environment in which OpenBLAS takes the kernels of that core."""
    named = {} if core is None else {"OPENBLAS_CORETYPE": core}
    return {"OPENBLAS_NUM_THREADS": str(threads), **named}


@functools.cache
def best_openblas_core():
    """That whose product 1024³ is fastest here, said once; kernels that this processor has not are
    passed over."""
    peaks = {}
    for core in OPENBLAS_CORES:
        try:
            command = ["/usr/bin/python3", ROOT / "bench/peers/openblas_peak.py"]
            peaks[core] = run(command, **openblas(core, 1))["gflops"]
        except subprocess.CalledProcessError:
            pass
    if not peaks:
        return None
    shown = ", ".join(f"{core or 'by itself'} {peak:.0f}" for core, peak in peaks.items())
    best = max(peaks, key=peaks.get)
    print(f"OpenBLAS, sgemm 1024³ in GFLOP/s: {shown}; the peers take {best or 'it by itself'}")
    return best


def run_peer(command, threads):
    """With OpenBLAS at its best, and torch's two thread pools at peace."""
    return run(command, OMP_WAIT_POLICY="PASSIVE", **openblas(best_openblas_core(), threads))


def per_second(result, clock="wall"):
    """Steps a second by the median chunk. The CPU clock of one thread is what a quiet machine's
    wall clock would show; it leaves out the time in which other processes held the core."""
    return result["steps"] / statistics.median(result[clock])


class BusyCore:
    """Another process that keeps one core busy."""

    def __enter__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", "while True: pass"])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
