"""The workloads of the figures in PyTorch: as its users write them, and two-layer by hand.

usage: workloads_torch.py WORKLOAD eager|hand IMAGES_IDX LABELS_IDX [--threads N] [--steps N]
WORKLOAD: two-layer, mlp-512, simple-convnet. Prints one JSON object: wall and CPU seconds of each
chunk of steps, random mini-batch included.
"""

import argparse
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from course_numpy import CHUNKS, read_idx  # noqa: E402


def network(name):
    nn = torch.nn
    if name == "two-layer":
        return nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10))
    if name == "mlp-512":
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
                             nn.Linear(512, 10))
    return nn.Sequential(nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(4320, 100), nn.ReLU(), nn.Linear(100, 10))


def eager(name, images, labels):
    net = network(name)
    if name == "two-layer":
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    else:
        optimizer = torch.optim.Adam(net.parameters())
    loss_function = torch.nn.CrossEntropyLoss()
    batch = 128 if name == "mlp-512" else 100

    def step():
        chosen = torch.randint(len(images), (batch,))
        optimizer.zero_grad()
        loss_function(net(images[chosen]), labels[chosen]).backward()
        optimizer.step()

    return step


def by_hand(images, labels):
    """Two-layer without autograd: every gradient written out, every update in place."""
    w1, b1 = 0.01 * torch.randn(784, 50), torch.zeros(50)
    w2, b2 = 0.01 * torch.randn(50, 10), torch.zeros(10)
    one_hot = torch.nn.functional.one_hot(labels, 10).float()

    def step():
        chosen = torch.randint(len(images), (100,))
        x, t = images[chosen], one_hot[chosen]
        z = torch.addmm(b1, x, w1).sigmoid_()
        dy = (torch.addmm(b2, z, w2).softmax(1) - t).div_(100)
        dz = (dy @ w2.t()).mul_(z * (1 - z))
        w2.addmm_(z.t(), dy, alpha=-0.1)
        b2.sub_(dy.sum(0), alpha=0.1)
        w1.addmm_(x.t(), dz, alpha=-0.1)
        b1.sub_(dz.sum(0), alpha=0.1)

    return step


def time_chunks(step, steps):
    chunk = steps // CHUNKS
    wall, cpu = [], []
    for _ in range(CHUNKS):
        start_wall, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(chunk):
            step()
        wall.append(time.perf_counter() - start_wall)
        cpu.append(time.process_time() - start_cpu)
    return {"steps": chunk, "wall": wall[2:], "cpu": cpu[2:]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("style", choices=["eager", "hand"])
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1200)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    images = torch.tensor(read_idx(arguments.images)).float().div_(255)
    images = images.reshape(-1, 1, 28, 28) if "convnet" in arguments.workload else images.reshape(
        -1, 784)
    labels = torch.tensor(read_idx(arguments.labels)).long()
    if arguments.style == "hand":
        with torch.no_grad():
            result = time_chunks(by_hand(images, labels), arguments.steps)
    else:
        result = time_chunks(eager(arguments.workload, images, labels), arguments.steps)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
