"""Images a second of training the denoisers of `banach train denoise` in PyTorch, FPI_NN by torchdeq.

    pip install torch torchdeq
    python torch_speed.py

The networks, mini-batches, tolerances and budgets are those of the command (48 channels, 2 convolutions, 4 patches of 64 by 64;
Anderson, at most 16 steps to 1e-2 forward and to 5e-2 backward; Adam, gradients clipped at 0.2). What keeps the map of the command a
contraction is left out here: the bound of the singular values, and the penalty of the Jacobian in every fourth mini-batch.
Prints one line of JSON for each network: the median of the mini-batches.
"""
import json, os, time
import torch
from torch import nn
from torch.nn import functional as F
from torchdeq import get_deq

torch.set_num_threads(os.cpu_count())
torch.manual_seed(0)
CHANNELS, BATCH, SIDE, BATCHES = 48, 4, 64, 40


class Denoiser(nn.Module):
    def __init__(self, solves):
        super().__init__()
        conv = lambda i, o: nn.Conv2d(i, o, 3, padding=1)
        self.inject, self.first, self.second, self.read = conv(1, CHANNELS), conv(CHANNELS, CHANNELS), conv(CHANNELS, CHANNELS), conv(CHANNELS, 1)
        budget = dict(f_solver="anderson", b_solver="anderson", f_max_iter=16, b_max_iter=16, f_tol=1e-2, b_tol=5e-2, f_stop_mode="rel", b_stop_mode="rel")
        self.deq = get_deq(**budget) if solves else None

    def forward(self, z):
        u = self.inject((z - 0.5) * 4)
        g = lambda x: F.relu(self.second(F.relu(self.first(x))) + u)
        start = F.relu(u)
        if self.deq is None:
            return self.read(g(start)), 1.0
        found, info = self.deq(g, start)
        return self.read(found[-1]), info["nstep"].float().mean().item()


for name, solves in [("fpi-nn", True), ("feedforward", False)]:
    network = Denoiser(solves)
    optimizer = torch.optim.Adam(network.parameters(), 4e-3)
    times, steps = [], []
    for index in range(BATCHES):
        clean = torch.rand(BATCH, 1, SIDE, SIDE)
        noise = torch.randn_like(clean) * (25 / 255)
        start = time.perf_counter()
        optimizer.zero_grad()
        found, count = network(clean + noise)
        ((found - noise * (255 / 25)) ** 2).mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.2)
        optimizer.step()
        times.append(time.perf_counter() - start)
        steps.append(count)
    median = sorted(times[5:])[len(times[5:]) // 2]
    print(json.dumps(dict(task="denoise", peer="torchdeq" if solves else "torch", setting=name, ms=1e3 * median,
                          images_per_second=BATCH / median, iterations=sum(steps[5:]) / len(steps[5:]))), flush=True)
