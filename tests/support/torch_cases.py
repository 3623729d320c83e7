"""What the oracles that ask torch share: the cases that one of our programs writes
(torch_cases.hpp). Where torch is not installed, the importing script ends with exit code 77, which
ctest takes for skipped."""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
except ImportError as error:
    print(f"skipped: {error} (Debian: apt-get install python3-torch)")
    sys.exit(77)


def read(program):
    """The cases and values of `program FOLDER`."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, folder], check=True)
        folder = pathlib.Path(folder)
        cases = json.loads((folder / "cases.json").read_text())
        values = numpy.fromfile(folder / "values.bin", dtype="<f4")
    torch.set_num_threads(1)
    return cases, values


def tensors_of(case, values):
    result = {}
    for name, where in case["tensors"].items():
        size = int(numpy.prod(where["shape"]))
        part = values[where["offset"]:where["offset"] + size].copy()
        result[name] = torch.from_numpy(part).reshape(where["shape"])
    return result


def report(cases, worst, wanted, failures):
    """Prints the worst distance of each kind; the exit code, 1 also where a wanted kind is absent."""
    missing = set(wanted) - set(worst)
    if missing:
        failures += 1
        print(f"no cases of {sorted(missing)}")
    for kind, apart in sorted(worst.items()):
        print(f"{kind:<24} {apart:.1e}")
    print(f"{len(cases)} cases against torch {torch.__version__}, {failures} failures")
    return 1 if failures else 0


def distance(ours, theirs):
    """The largest difference, relative to the largest entry."""
    difference = (ours.reshape(theirs.shape).double() - theirs.double()).abs().max().item()
    return difference / max(theirs.abs().max().item(), 1e-3)
