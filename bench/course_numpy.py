"""The course's two-layer network in NumPy, written from the formulae, timed per step.

usage: course_numpy.py IMAGES_IDX LABELS_IDX [--dtype float32|float64] [--steps N]
Prints one JSON object: wall and CPU seconds of each chunk of steps, random mini-batch included.
The environment decides the BLAS threads (OPENBLAS_NUM_THREADS) before NumPy is loaded.
"""

import argparse
import gzip
import json
import time

import numpy as np

CHUNKS = 12  # the first two warm up


def read_idx(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class TwoLayerNet:
    def __init__(self, rng, inputs, hidden, outputs, dtype):
        self.w1 = (0.01 * rng.standard_normal((inputs, hidden))).astype(dtype)
        self.b1 = np.zeros(hidden, dtype)
        self.w2 = (0.01 * rng.standard_normal((hidden, outputs))).astype(dtype)
        self.b2 = np.zeros(outputs, dtype)

    def predict(self, x):
        return softmax(sigmoid(x @ self.w1 + self.b1) @ self.w2 + self.b2)

    def step(self, x, t, learning_rate):
        z = sigmoid(x @ self.w1 + self.b1)
        y = softmax(z @ self.w2 + self.b2)
        loss = -np.sum(t * np.log(y + 1e-7)) / len(x)
        dy = (y - t) / x.dtype.type(len(x))
        dz = (dy @ self.w2.T) * (z * (1 - z))
        self.w2 -= learning_rate * (z.T @ dy)
        self.b2 -= learning_rate * dy.sum(axis=0)
        self.w1 -= learning_rate * (x.T @ dz)
        self.b1 -= learning_rate * dz.sum(axis=0)
        return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()

    dtype = np.dtype(arguments.dtype)
    x = (read_idx(arguments.images).reshape(-1, 784) / 255).astype(dtype)
    t = np.eye(10, dtype=dtype)[read_idx(arguments.labels)]
    rng = np.random.default_rng(1)
    net = TwoLayerNet(rng, 784, 50, 10, dtype)
    rate = dtype.type(0.1)
    chunk = arguments.steps // CHUNKS
    wall, cpu = [], []
    for _ in range(CHUNKS):
        start_wall, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(chunk):
            chosen = rng.choice(len(x), 100)
            net.step(x[chosen], t[chosen], rate)
        wall.append(time.perf_counter() - start_wall)
        cpu.append(time.process_time() - start_cpu)
    print(json.dumps({"steps": chunk, "wall": wall[2:], "cpu": cpu[2:]}))


if __name__ == "__main__":
    main()
