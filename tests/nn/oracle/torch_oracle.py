"""usage: torch_oracle.py WRITE_CASES: every layer and loss, forward and backward, float32, against
torch. Exit code 77, which ctest takes for skipped, where torch is not installed."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import torch_cases
from torch_cases import distance, numpy, tensors_of, torch
from torch.nn import functional as F

TOLERANCE = 1e-5  # of the largest entry of a tensor


def pad(x, options, value):
    """Torch pools pad by half a window at most; ours by less than one."""
    return F.pad(x, (options["padding"],) * 4, value=value)


LAYERS = {
    "dense": lambda x, o, p: x @ p["weight"] + p["bias"],
    "sigmoid": lambda x, o, p: torch.sigmoid(x),
    "relu": lambda x, o, p: torch.relu(x),
    "tanh": lambda x, o, p: torch.tanh(x),
    "softmax": lambda x, o, p: torch.softmax(x, 1),
    "leaky_relu": lambda x, o, p: F.leaky_relu(x, o["slope"]),
    "gelu": lambda x, o, p: F.gelu(x, approximate="tanh"),
    "silu": lambda x, o, p: F.silu(x),
    "softplus": lambda x, o, p: F.softplus(x),
    "flatten": lambda x, o, p: x.flatten(1),
    "dropout": lambda x, o, p: x,  # rate 0: which values it drops is ours to say
    "layer_norm": lambda x, o, p: F.layer_norm(x, x.shape[1:], p["weight"], p["bias"], o["epsilon"]),
    "batch_norm": lambda x, o, p: F.batch_norm(
        x, None, None, p["weight"], p["bias"], training=True, eps=o["epsilon"]),
    "conv2d": lambda x, o, p: F.conv2d(
        x, p["weight"], p["bias"], o["stride"], o["padding"], groups=o["groups"]),
    "max_pool2d": lambda x, o, p: F.max_pool2d(pad(x, o, -numpy.inf), o["size"], o["stride"]),
    "avg_pool2d": lambda x, o, p: F.avg_pool2d(pad(x, o, 0), o["size"], o["stride"]),
    "global_avg_pool": lambda x, o, p: x.mean((2, 3)),
}

LOSSES = {
    "softmax_cross_entropy": lambda x, t, o: F.cross_entropy(
        x, t, label_smoothing=o["label_smoothing"]),
    "cross_entropy": lambda x, t, o: -(t * torch.log(x + o["epsilon"])).sum(1).mean(),
    "sum_of_squared_errors": lambda x, t, o: 0.5 * ((x - t) ** 2).sum(1).mean(),
    "binary_cross_entropy": lambda x, t, o: F.binary_cross_entropy_with_logits(x, t),
    "mean_squared_error": lambda x, t, o: F.mse_loss(x, t),
    "huber": lambda x, t, o: F.huber_loss(x, t, delta=o["delta"]),
}


def expected_of(case, t):
    """What torch makes of the case: the tensors by their names."""
    x = t["x"].clone().requires_grad_()
    if case["type"] == "loss":
        y = LOSSES[case["kind"]](x, t["t"], case["options"])
        y.backward()
        return {"y": y.detach().reshape(1), "dx": x.grad}
    p = {name: t[name].clone().requires_grad_() for name in ("weight", "bias") if name in t}
    y = LAYERS[case["kind"]](x, case["options"], p)
    y.backward(t["dy"].reshape(y.shape))
    return {"y": y.detach(), "dx": x.grad, **{f"d_{name}": w.grad for name, w in p.items()}}


def main():
    cases, values = torch_cases.read(sys.argv[1])
    worst = {}
    failures = 0
    for case in cases:
        ours = tensors_of(case, values)
        for name, theirs in expected_of(case, ours).items():
            apart = distance(ours[name], theirs)
            worst[case["kind"]] = max(worst.get(case["kind"], 0), apart)
            if not apart <= TOLERANCE:
                failures += 1
                print(f"{case['kind']} {case['options']} {list(ours['x'].shape)}: {name} is {apart:.1e} apart")
            # The control: a difference of 1e-4 would be seen.
            spoilt = ours[name] * 1.0001
            if theirs.abs().max() > 1e-2 and distance(spoilt, theirs) <= TOLERANCE:
                failures += 1
                print(f"{case['kind']}: {name} off by 1e-4 was not seen")
    return torch_cases.report(cases, worst, [*LAYERS, *LOSSES], failures)


if __name__ == "__main__":
    sys.exit(main())
