"""The course's numerical gradient of the two-layer network in NumPy, from the formulae, timed.

usage: course_numerical.py IMAGES_IDX LABELS_IDX [--dtype float32|float64] [--parameters N]
The chapter's loop evaluates the loss of the batch twice a parameter. All 39,760 would take minutes:
N of them (400), spread over W1, b1, W2 and b2 in proportion, are timed and the time of all is
extrapolated. Prints one JSON object; `error` is the relative distance from backprop in float64 over
the parameters timed, `largest_error` the largest absolute one.
"""

import argparse
import json
import time

import numpy as np

from course_numpy import read_idx, sigmoid, softmax

BATCH = 100


def loss(p, x, t):
    y = softmax(sigmoid(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
    return -np.sum(t * np.log(y + 1e-7)) / len(x)


def numerical(p, x, t, name, indices):
    """f(x + h) - f(x - h) over 2h, the parameter changed in place and put back."""
    h = 1e-4
    flat = p[name].reshape(-1)
    gradient = []
    for i in indices:
        original = flat[i]
        flat[i] = original + h
        above = loss(p, x, t)
        flat[i] = original - h
        below = loss(p, x, t)
        flat[i] = original
        gradient.append((above - below) / (2 * h))
    return np.array(gradient)


def backprop(p, x, t):
    p = {k: v.astype(np.float64) for k, v in p.items()}
    x, t = x.astype(np.float64), t.astype(np.float64)
    z = sigmoid(x @ p["W1"] + p["b1"])
    dy = (softmax(z @ p["W2"] + p["b2"]) - t) / len(x)
    dz = (dy @ p["W2"].T) * z * (1 - z)
    return {"W1": x.T @ dz, "b1": dz.sum(0), "W2": z.T @ dy, "b2": dy.sum(0)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--parameters", type=int, default=400)
    arguments = parser.parse_args()

    dtype = np.dtype(arguments.dtype)
    x = (read_idx(arguments.images)[:BATCH].reshape(-1, 784) / 255).astype(dtype)
    t = np.eye(10, dtype=dtype)[read_idx(arguments.labels)[:BATCH]]
    rng = np.random.default_rng(1)
    p = {
        "W1": (0.01 * rng.standard_normal((784, 50))).astype(dtype),
        "b1": np.zeros(50, dtype),
        "W2": (0.01 * rng.standard_normal((50, 10))).astype(dtype),
        "b2": np.zeros(10, dtype),
    }
    total = sum(v.size for v in p.values())
    chosen = {
        k: rng.choice(v.size, max(1, round(arguments.parameters * v.size / total)), replace=False)
        for k, v in p.items()
    }
    loss(p, x, t)
    start = time.perf_counter()
    found = {k: numerical(p, x, t, k, chosen[k]) for k in p}
    seconds = time.perf_counter() - start
    exact = backprop(p, x, t)
    a = np.concatenate([found[k] for k in p])
    b = np.concatenate([exact[k].reshape(-1)[chosen[k]] for k in p])
    timed = sum(len(v) for v in chosen.values())
    print(json.dumps({
        "timed_parameters": timed,
        "seconds_timed": seconds,
        "seconds_extrapolated": seconds / timed * total,
        "error": float(np.linalg.norm(a - b) / np.linalg.norm(b)),
        "largest_error": float(np.max(np.abs(a - b))),
    }))


if __name__ == "__main__":
    main()
