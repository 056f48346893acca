"""Pairs of images a second of training the networks of `banach train flow` in PyTorch, the fixed-point layer by torchdeq.

    pip install torch torchdeq
    python torch_speed.py

The networks, mini-batches, tolerances and budgets are those of the command: FlowNetS of width 0.125, 8 pairs, the loss at five scales
and behind the layer; Anderson, at most 20 steps to 1e-3 forward and to 1e-2 backward; Adam, gradients clipped at 1. Pairs are random
numbers, drawn outside of the times. The bound on the convolutions of the layer is left out here; the starting weights are small
instead. Prints one line of JSON for each network and size: the median of the mini-batches.
"""
import json, os, time
import torch
from torch import nn
from torch.nn import functional as F
from torchdeq import get_deq

torch.set_num_threads(os.cpu_count())
torch.manual_seed(0)
WIDTH, BATCH, BATCHES, HIDDEN = 0.125, 8, 30, 15
CONTRACTING = [(64, 7, 2), (128, 5, 2), (256, 5, 2), (256, 3, 1), (512, 3, 2), (512, 3, 1), (512, 3, 2), (512, 3, 1), (1024, 3, 2)]
EXPANDING = [(7, 512), (5, 256), (3, 128), (1, 64)]
WEIGHTS = [0.32, 0.08, 0.02, 0.01, 0.005]
leaky = lambda x: F.leaky_relu(x, 0.1)


class FlowNet(nn.Module):
    def __init__(self):
        super().__init__()
        width = lambda channels: max(1, round(channels * WIDTH))
        self.contracting, inputs = nn.ModuleList(), 6
        for channels, kernel, stride in CONTRACTING:
            self.contracting.append(nn.Conv2d(inputs, width(channels), kernel, stride, kernel // 2))
            inputs = width(channels)
        self.expanding, self.reading, self.enlarging = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for taken, channels in EXPANDING:
            self.reading.append(nn.Conv2d(inputs, 2, 3, padding=1))
            self.enlarging.append(nn.ConvTranspose2d(2, 2, 4, 2, 1))
            self.expanding.append(nn.ConvTranspose2d(inputs, width(channels), 4, 2, 1))
            inputs = width(CONTRACTING[taken][0]) + width(channels) + 2
        self.reading.append(nn.Conv2d(inputs, 2, 3, padding=1))

    def forward(self, images):
        x, contracted = (images - 0.45) * 4, []
        for convolution in self.contracting:
            x = leaky(convolution(x))
            contracted.append(x)
        flows = [self.reading[0](x)]
        for scale, (taken, _) in enumerate(EXPANDING):
            x = torch.cat([contracted[taken], leaky(self.expanding[scale](x)), self.enlarging[scale](flows[-1])], 1)
            flows.append(self.reading[scale + 1](x))
        return flows


class Refiner(nn.Module):
    def __init__(self):
        super().__init__()
        self.inject, self.halving = nn.Conv2d(8, HIDDEN, 4, 2, 1), nn.Conv2d(2, HIDDEN, 4, 2, 1, bias=False)
        self.doubling = nn.ConvTranspose2d(HIDDEN, 2, 4, 2, 1)
        with torch.no_grad():
            self.doubling.weight *= 0.1
        budget = dict(f_solver="anderson", b_solver="anderson", f_max_iter=20, b_max_iter=20, f_tol=1e-3, b_tol=1e-2, f_stop_mode="rel", b_stop_mode="rel")
        self.deq = get_deq(**budget)

    def forward(self, flow, seen):
        injected = self.inject(torch.cat([flow, seen], 1))
        g = lambda x: flow + self.doubling(leaky(self.halving(x) + injected))
        found, info = self.deq(g, flow)
        return found[-1], info["nstep"].float().mean().item()


error = lambda found, truth: ((found - truth).square().sum(1) + 1e-8).sqrt().mean()


def loss(flows, refined, truth):
    total = error(refined, truth) if refined is not None else 0.0
    for scale, weight in enumerate(reversed(WEIGHTS)):
        total = total + error(flows[-1 - scale], truth) * weight / WEIGHTS[-1] / 4**scale
        truth = F.avg_pool2d(truth, 2) if scale < 4 else truth
    return total


for height, width in [(64, 64), (128, 192)]:
    for name in ["none", "fpi-nn"]:
        network, layer = FlowNet(), Refiner() if name == "fpi-nn" else None
        parameters = [*network.parameters(), *(layer.parameters() if layer else [])]
        optimizer = torch.optim.Adam(parameters, 1e-3)
        times, steps = [], []
        for index in range(BATCHES):
            images, truth = torch.rand(BATCH, 6, height, width), torch.randn(BATCH, 2, height // 4, width // 4) * 0.1
            start = time.perf_counter()
            optimizer.zero_grad()
            flows = network(images)
            refined, count = layer(flows[-1], F.avg_pool2d(images, 4)) if layer else (None, 1.0)
            loss(flows, refined, truth).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            times.append(time.perf_counter() - start)
            steps.append(count)
        median = sorted(times[5:])[len(times[5:]) // 2]
        print(json.dumps(dict(task="flow", peer="torchdeq" if layer else "torch", setting=f"{name} {width}x{height}", ms=1e3 * median,
                              pairs_per_second=BATCH / median, iterations=sum(steps[5:]) / len(steps[5:]))), flush=True)
