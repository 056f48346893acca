"""Weights of FlowNetS as PyTorch writes them, and the flow that PyTorch finds with them.

    pip install torch safetensors
    python torch_weights.py FOLDER

Writes a network of a 64th of the published width, whose weights follow a formula, as `flownets.pth.tar` in the format of PyTorch before
1.6 (with the entries of a checkpoint), `flownets.pth` in the one since, and `flownets.safetensors`. Prints the displacements between two
images of moving stripes, in pixels, at the places that `banach-cli/tests/suite/weights.rs` compares.
"""
import math, os, sys
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

PART, UNIT = 64, 20.0
MEANS = torch.tensor([0.411, 0.432, 0.45]).view(1, 3, 1, 1)
CONTRACTING = [("conv1", 64, 7, 2), ("conv2", 128, 5, 2), ("conv3", 256, 5, 2), ("conv3_1", 256, 3, 1), ("conv4", 512, 3, 2),
               ("conv4_1", 512, 3, 1), ("conv5", 512, 3, 2), ("conv5_1", 512, 3, 1), ("conv6", 1024, 3, 2), ("conv6_1", 1024, 3, 1)]
leaky = lambda x: F.leaky_relu(x, 0.1)


def build():
    """The modules by their names."""
    modules, inputs = nn.ModuleDict(), 6
    for name, channels, kernel, stride in CONTRACTING:
        modules[name] = nn.ModuleList([nn.Conv2d(inputs, channels // PART, kernel, stride, kernel // 2)])
        inputs = channels // PART
    for scale, taken, channels in [(5, 512, 512), (4, 512, 256), (3, 256, 128), (2, 128, 64)]:
        modules[f"predict_flow{scale + 1}"] = nn.Conv2d(inputs, 2, 3, padding=1, bias=False)
        modules[f"deconv{scale}"] = nn.ModuleList([nn.ConvTranspose2d(inputs, channels // PART, 4, 2, 1, bias=False)])
        modules[f"upsampled_flow{scale + 1}_to_{scale}"] = nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False)
        inputs = taken // PART + channels // PART + 2
    modules["predict_flow2"] = nn.Conv2d(inputs, 2, 3, padding=1, bias=False)
    return modules


def fill(modules):
    """Weights by a formula, the tensors in the order of their names."""
    with torch.no_grad():
        for place, (_, tensor) in enumerate(sorted(modules.state_dict().items())):
            fan = tensor.numel() / tensor.shape[0] if tensor.dim() == 4 else 100.0
            values = [3.0 / math.sqrt(fan) * math.sin(0.7 * (at + 1) * (1 + place % 5) + place) for at in range(tensor.numel())]
            tensor.copy_(torch.tensor(values).view_as(tensor))


def flow(modules, images):
    """The flow at a quarter of the size, in units of 20 pixels."""
    x, kept = torch.cat([image - MEANS for image in images], 1), {}
    for name, *_ in CONTRACTING:
        x = kept[name] = leaky(modules[name][0](x))
    found = modules["predict_flow6"](x)
    for scale, name in [(5, "conv5_1"), (4, "conv4_1"), (3, "conv3_1"), (2, "conv2")]:
        enlarged = modules[f"upsampled_flow{scale + 1}_to_{scale}"](found)
        x = torch.cat([kept[name], leaky(modules[f"deconv{scale}"][0](x)), enlarged], 1)
        found = modules[f"predict_flow{scale}"](x)
    return found


def stripes(width, height, right):
    """Stripes of each colour, moved to the right."""
    level = lambda step, x, y: int(127.0 + 100.0 * math.sin(step * (x - right) + 0.3 * y)) / 255
    return torch.tensor([[[level(step, x, y) for x in range(width)] for y in range(height)] for step in (0.3, 0.5, 0.2)])[None]


folder = sys.argv[1]
network = build()
fill(network)
weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
save_file(weights, os.path.join(folder, "flownets.safetensors"))
torch.save(network.state_dict(), os.path.join(folder, "flownets.pth"))
checkpoint = dict(epoch=300, arch="flownets", state_dict=network.state_dict(), best_EPE=1.9, div_flow=20)
torch.save(checkpoint, os.path.join(folder, "flownets.pth.tar"), _use_new_zipfile_serialization=False)
with torch.no_grad():
    found = flow(network, [stripes(128, 64, 0.0), stripes(128, 64, 2.0)])
    full = UNIT * F.interpolate(found, size=(64, 128), mode="bilinear", align_corners=False)[0]
for x, y in [(0, 0), (5, 7), (60, 33), (127, 63), (90, 12)]:
    print(x, y, *(f"{part:.4f}" for part in full[:, y, x].tolist()))
print("longest", full.norm(dim=0).max().item())
