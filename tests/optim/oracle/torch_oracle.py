"""usage: torch_oracle.py WRITE_STEPS: some steps of every optimizer, each with and without weight
decay, float32, against torch's in double precision. Lion, which torch 1.13 has not, is derived by
hand in optimizer_test.cpp. Exit code 77 where torch is not installed."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import torch_cases
from torch_cases import distance, tensors_of, torch

TOLERANCE = 1e-6  # of the largest parameter
VISIBLE = 1e-5  # of a wrong path from the start, as the control

OPTIMIZERS = {
    "sgd": lambda p, o: torch.optim.SGD(p, o["learning_rate"]),
    "momentum": lambda p, o: torch.optim.SGD(p, o["learning_rate"], momentum=o["momentum"]),
    "nesterov": lambda p, o: torch.optim.SGD(
        p, o["learning_rate"], momentum=o["momentum"], nesterov=True),
    "adagrad": lambda p, o: torch.optim.Adagrad(p, o["learning_rate"], eps=o["epsilon"]),
    "rmsprop": lambda p, o: torch.optim.RMSprop(
        p, o["learning_rate"], alpha=o["decay"], eps=o["epsilon"]),
    "adam": lambda p, o: torch.optim.Adam(
        p, o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"]),
    "adamw": lambda p, o: torch.optim.AdamW(
        p, o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"]),
}


def expected_of(case, tensors):
    """The parameters behind each step; the first `decaying` of them decay."""
    options = case["options"]
    rate = options["decay_rate"]
    cut = options["decaying"]
    halves = [part.double().clone().requires_grad_() for part in tensors["start"].split(
        [cut, len(tensors["start"]) - cut])]
    # The decay that the optimizer itself does: L2, but for AdamW its own.
    own = options.get("weight_decay", rate if options["decay_kind"] == "l2" else 0)
    by_hand = rate if options["decay_kind"] == "decoupled" else 0
    groups = [{"params": [halves[0]], "weight_decay": own},
              {"params": [halves[1]], "weight_decay": 0}]
    optimizer = OPTIMIZERS[case["kind"]](groups, options)
    steps = []
    for gradient in tensors["gradients"].double():
        with torch.no_grad():
            for half, part in zip(halves, gradient.split([cut, len(gradient) - cut])):
                half.grad = part.clone()
            if case["kind"] == "adamw" and options["decay_kind"] == "l2":
                halves[0].grad += rate * halves[0]
            before = halves[0].clone()
            optimizer.step()
            halves[0] -= options["learning_rate"] * by_hand * before
        steps.append(torch.cat(halves).detach().clone())
    return torch.stack(steps)


def main():
    cases, values = torch_cases.read(sys.argv[1])
    worst = {}
    failures = 0
    for case in cases:
        ours = tensors_of(case, values)
        theirs = expected_of(case, ours)
        apart = distance(ours["steps"], theirs)
        worst[case["kind"]] = max(worst.get(case["kind"], 0), apart)
        if not apart <= TOLERANCE:
            failures += 1
            print(f"{case['kind']} {case['options']}: {apart:.1e} apart")
        # The control: a path that is longer by little would be seen.
        start = ours["start"].double()
        if distance(start + (ours["steps"] - start) * (1 + VISIBLE), theirs) <= TOLERANCE:
            failures += 1
            print(f"{case['kind']} {case['options']}: a path longer by {VISIBLE} was not seen")
    return torch_cases.report(cases, worst, OPTIMIZERS, failures)


if __name__ == "__main__":
    sys.exit(main())
