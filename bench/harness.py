"""What the scripts of bench/ share: where the data is, how a program is run, a busy core."""

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


def run(command, **environment):
    result = subprocess.run(
        command, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout.strip().splitlines()[-1])


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
