"""`gradatim data`, end to end: Fashion-MNIST from Debian's folder, served on loopback, is fetched into
an empty home, found there, and verified. Usage: command_test.py GRADATIM; exits 77 to skip."""
import functools
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

FOLDER = pathlib.Path("/usr/share/datasets/fashion-mnist")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def run(gradatim, home, *arguments):
    environment = {"PATH": os.environ["PATH"], "GRADATIM_HOME": str(home)}
    return subprocess.run([gradatim, "data", *arguments], env=environment, capture_output=True,
                          text=True, timeout=300)


def last_json(done):
    return json.loads(done.stdout.splitlines()[-1])


def check_fetch(gradatim, home, mirror):
    done = run(gradatim, home, "fetch", "fashion-mnist", "--mirror", mirror)
    assert done.returncode == 0, done
    assert "\r" not in done.stderr and len(done.stderr.splitlines()) == 4, "a line a file when piped"
    folder = home / "datasets/fashion-mnist"
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in FOLDER.glob("*.gz"))

    info = last_json(run(gradatim, home, "info", "fashion-mnist", "--json"))
    assert info["folder"] == str(folder) and info["verified"], info
    listed = last_json(run(gradatim, home, "list", "--json"))
    assert [d["name"] for d in listed["datasets"]] == ["fashion-mnist", "mnist", "friedman1", "discs"]
    assert listed["datasets"][0]["folder"] == str(folder) and listed["datasets"][1]["folder"] is None


def check_damage_is_a_failed_verdict(gradatim, home):
    labels = home / "datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz"
    labels.write_bytes((FOLDER / "train-labels-idx1-ubyte.gz").read_bytes())
    done = run(gradatim, home, "info", "fashion-mnist")
    assert done.returncode == 1 and str(labels) in done.stdout, done


def check_bad_input(gradatim, home, mirror):
    for arguments, expected in [
        (["info", "fasion"], "did you mean 'fashion-mnist'?"),
        (["fetch", "mnist", "--mirror", mirror], "SHA-256 of the payload: expected ba891046e6505d7a"),
        (["fetch", "mnist", "--mirror", mirror + "absent/"], "404"),
        (["fetch", "mnist", "--mirror", mirror, "--data-dir", "/proc/none"], "/proc/none"),
        (["fetch"], "name"),
        ([], "subcommand"),
    ]:
        done = run(gradatim, home, *arguments)
        assert done.returncode == 2 and expected in done.stderr, done
    assert not list((home / "datasets/mnist").iterdir()), "nothing of a refused download stays"


def main(gradatim):
    if not FOLDER.exists():
        print("skipped: Debian's package dataset-fashion-mnist is not installed")
        return 77
    with tempfile.TemporaryDirectory() as temporary:
        home = pathlib.Path(temporary)
        mirror = serve(FOLDER)
        check_fetch(gradatim, home, mirror)
        check_damage_is_a_failed_verdict(gradatim, home)
        check_bad_input(gradatim, home, mirror)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
