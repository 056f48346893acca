"""Minimises the energies of FPI_GD by L-BFGS in torch, the published one also in scipy.

    banach bench energy --checkpoint OUT --data bibtex-test.arff --export energy.safetensors
    python lbfgs.py energy.safetensors

The published energy of a row is f(x, z) = mean over the hidden units of relu(W [z, sigmoid(x)] + b)^2, and every row
starts at 0. The tuned one is f(x, l) = |x - l|^2 / 2 + sum over the label units of a relu(V sigmoid(x) + c)^2 / 2, where
l is a perceptron of z that is computed before, and every row starts at l. The rows do not depend on one another, so torch
minimises their sum over all rows at once. Scipy minimises row by row, the first rows only; its time is scaled to all.
Prints one line of JSON for each.
"""
import json, os, struct, sys, time
import numpy as np, torch

torch.set_num_threads(os.cpu_count())


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, numbers = json.loads(file.read(length)), file.read()
    def tensor(entry):
        begin, end = entry["data_offsets"]
        return np.frombuffer(numbers[begin:end], "<f4").reshape(entry["shape"]).copy()
    return {name: tensor(entry) for name, entry in header.items()}


def report(**line):
    print(json.dumps(line), flush=True)


tensors = {name: torch.tensor(value) for name, value in read(sys.argv[1]).items()}
z = tensors.pop("z")
named = lambda end: next(value for name, value in tensors.items() if name.endswith(end))
tuned = any(name.endswith("energy.weights") for name in tensors)
if tuned:
    hidden = torch.relu(z @ named("features.first.weight") + named("features.first.bias"))
    base = hidden @ named("features.second.weight") + named("features.second.bias")
    units, shift, factors = named("units.weight"), named("units.bias"), named("energy.weights")
    start, labels = base.clone(), base.shape[1]

    def energy(x, base):
        active = torch.relu(torch.sigmoid(x) @ units + shift)
        return ((x - base).square().sum(1) + (active.square() * factors).sum(1)) / 2
else:
    weight = next(value for value in tensors.values() if value.ndim == 2)
    bias = next(value for value in tensors.values() if value.ndim == 1)
    features, labels = z.shape[1], weight.shape[0] - z.shape[1]
    base, coupling = z @ weight[:features] + bias, weight[features:]
    start = torch.zeros(len(z), labels)

    def energy(x, base):
        return torch.relu(base + torch.sigmoid(x) @ coupling).square().mean(1)


for tolerance in (1e-5, 1e-7):
    x = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([x], max_iter=2000, max_eval=4000, tolerance_grad=tolerance / labels,
                                  tolerance_change=0, history_size=10, line_search_fn="strong_wolfe")
    calls = 0

    def closure():
        global calls
        calls += 1
        optimizer.zero_grad()
        total = energy(x, base).sum()
        total.backward()
        return total

    begun = time.perf_counter()
    optimizer.step(closure)
    ms = 1e3 * (time.perf_counter() - begun)
    closure()
    norms = x.grad.norm(dim=1)
    report(task="energy", peer="torch L-BFGS", setting=f"B{len(z)} f32 {'tuned ' if tuned else ''}grad {tolerance:g}", ms=ms, evaluations=calls,
           energy=energy(x.detach(), base).double().sum().item(), largest_gradient=norms.max().item())

if tuned:
    sys.exit()
from scipy.optimize import minimize
rows, begun, total, iterations = 200, time.perf_counter(), 0.0, 0
c = coupling.numpy().astype("f8")
for row in range(rows):
    b = base[row].numpy().astype("f8")

    def both(x):
        s = 1 / (1 + np.exp(-x))
        h = np.maximum(b + s @ c, 0)
        return (h * h).mean(), (c @ (2 * h / len(h))) * s * (1 - s)

    found = minimize(both, np.zeros(labels), jac=True, method="L-BFGS-B", options=dict(maxiter=2000, ftol=1e-12, gtol=1e-7))
    total, iterations = total + found.fun, iterations + found.nit
ms = 1e3 * (time.perf_counter() - begun) * len(z) / rows
report(task="energy", peer="scipy L-BFGS-B", setting=f"first {rows} rows, f64", ms=ms, iterations=iterations / rows, energy_of_first=total,
       torch_energy_of_first=energy(x.detach(), base)[:rows].double().sum().item())
