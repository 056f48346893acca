"""Training steps and solves of `banach bench cell` and `banach bench conv` by torchdeq and JAX on a graphics card.

    pip install torch torchdeq jax[cuda13]
    python peers.py [cell|conv]...

Maps, sizes, tolerances and counts of steps are those of the command. The map of torchdeq runs eagerly and by torch.compile. PyTorch and
JAX compute in single precision, and once more in tf32 (10 bits of a product's factors), which PyTorch takes for convolutions and JAX for
everything unless told otherwise. Prints one line of JSON for each: the median of the repeats after a warm-up, with a wait for the card.
"""
import json, sys, time
import torch
from torch import nn
from torch.nn import functional as F
from torchdeq import get_deq

CARD = torch.device("cuda")
CELLS = [(16, 64), (64, 256), (256, 512)]
CONVOLUTIONS = [(32, 8, 40, 20), (48, 16, 64, 10), (64, 4, 128, 10)]
TOLERANCE, MOST_STEPS = 1e-5, 1000


def report(task, peer, setting, steps, run, repeats, **more):
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    line = dict(task=task, peer=peer, setting=setting, ms=sorted(times)[repeats // 2], iterations=steps(), **more)
    print(json.dumps(line), flush=True)


def tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    return "tf32" if allowed else "f32"


def maps(call):
    """A map called eagerly, and compiled."""
    torch._dynamo.reset()
    return [("torchdeq", call), ("torchdeq, compiled", torch.compile(call))]


def cells():
    for batch, width in CELLS:
        torch.manual_seed(0)
        W = torch.randn(width, width, device=CARD)
        W = (0.9 * W / torch.linalg.matrix_norm(W, 2)).requires_grad_()
        U = (torch.randn(width, width, device=CARD) / width**0.5).requires_grad_()
        z = torch.randn(batch, width, device=CARD)
        for allowed in [False, True]:
            precision = tf32(allowed)
            for peer, g in maps(lambda x, u: torch.tanh(x @ W + u)):
                for solver in ["fixed_point_iter", "anderson"]:
                    deq = get_deq(f_solver=solver, b_solver=solver, f_max_iter=MOST_STEPS, b_max_iter=MOST_STEPS, f_tol=TOLERANCE,
                                  b_tol=TOLERANCE, f_stop_mode="rel", b_stop_mode="rel", ift=True)
                    found = {}

                    def step():
                        W.grad = U.grad = None
                        u = z @ U
                        x, info = deq(lambda x: g(x, u), torch.zeros_like(u))
                        found["steps"] = float(info["nstep"].mean())
                        x[-1].square().mean().backward()

                    report("cell", peer, f"B{batch} n{width} {solver}", lambda: found["steps"], step, 15, precision=precision)
        jax_cell(W, U, z)


def convolutions():
    for channels, batch, side, count in CONVOLUTIONS:
        torch.manual_seed(0)
        inject, read_out = (nn.Conv2d(*ends, 3, padding=1, device=CARD) for ends in [(1, channels), (channels, 1)])
        first, second = (nn.Conv2d(channels, channels, 3, padding=1, bias=bias, device=CARD) for bias in [False, True])
        with torch.no_grad():
            first.weight *= 0.5
            second.weight *= 0.5
        image = torch.rand(batch, 1, side, side, device=CARD)
        size = f"C{channels} B{batch} {side}x{side} K{count}"
        for allowed in [False, True]:
            precision = tf32(allowed)
            for peer, g in maps(lambda x, u: second(F.relu(first(x) + u))):
                for solver in ["fixed_point_iter", "anderson"]:
                    deq = get_deq(f_solver=solver, b_solver=solver, f_max_iter=count, b_max_iter=count, f_tol=0, b_tol=0, ift=True)

                    def solve():
                        u = inject(image)
                        return deq(lambda x: g(x, u), torch.zeros(batch, channels, side, side, device=CARD))[0][-1]

                    def train():
                        for module in [inject, first, second, read_out]:
                            module.zero_grad()
                        (read_out(solve()) - image).square().mean().backward()

                    def forward():
                        with torch.no_grad():
                            solve()

                    for name, run in [("train", train), ("forward", forward)]:
                        report("conv", peer, f"{size} {solver} {name}", lambda: count, run, 15, precision=precision)
        jax_convolution(size, [module.weight for module in (inject, first, second, read_out)], image, count)


def solver_of(g, iterate):
    """The fixed point of g(x, u, *parameters) with its derivative by the transposed iteration."""
    import jax

    @jax.custom_vjp
    def fixed(u, *parameters):
        return iterate(lambda x: g(x, u, *parameters), jax.numpy.zeros_like(u))

    def forward(u, *parameters):
        x = fixed(u, *parameters)
        return x, (x, u, *parameters)

    def backward(kept, v):
        x, *operands = kept
        pulled = jax.vjp(lambda x: g(x, *operands), x)[1]
        c = iterate(lambda c: pulled(c)[0] + v, v)
        return jax.vjp(lambda *operands: g(x, *operands), *operands)[1](c)

    fixed.defvjp(forward, backward)
    return fixed


def in_precisions(task, setting, make, repeats, steps):
    import jax

    for precision, name in [("highest", "f32"), ("tensorfloat32", "tf32")]:
        with jax.default_matmul_precision(precision):
            run = make()
            report(task, "jax", setting, lambda: steps, lambda: jax.block_until_ready(run()), repeats, precision=name)


def jax_cell(W, U, z):
    import jax, jax.numpy as jnp

    W, U, z = (jnp.asarray(tensor.detach().cpu().numpy()) for tensor in (W, U, z))

    def iterate(g, x0):
        def goes_on(carry):
            x, before, count = carry
            moved = jnp.linalg.norm(x - before, axis=1) / (1e-9 + jnp.linalg.norm(before, axis=1))
            return (moved.max() > TOLERANCE) & (count < MOST_STEPS)

        return jax.lax.while_loop(goes_on, lambda carry: (g(carry[0]), carry[0], carry[2] + 1), (g(x0), x0, 1))[0]

    def make():
        fixed = solver_of(lambda x, u, W: jnp.tanh(x @ W + u), iterate)
        step = jax.jit(jax.value_and_grad(lambda W, U: jnp.square(fixed(z @ U, W)).mean(), argnums=(0, 1)))
        return lambda: step(W, U)

    in_precisions("cell", f"B{z.shape[0]} n{z.shape[1]} picard", make, 15, None)


def jax_convolution(size, weights, image, count):
    import jax, jax.numpy as jnp

    weights = [jnp.asarray(weight.detach().permute(2, 3, 1, 0).cpu().numpy()) for weight in weights]
    image = jnp.asarray(image.permute(0, 2, 3, 1).cpu().numpy())
    convolved = lambda x, weight: jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    g = lambda x, u, first, second: convolved(jax.nn.relu(convolved(x, first) + u), second)
    iterate = lambda g, x0: jax.lax.fori_loop(0, count, lambda _, x: g(x), x0)

    def solve(inject, first, second):
        return solver_of(g, iterate)(convolved(image, inject), first, second)

    def train():
        loss = lambda inject, first, second, read_out: jnp.square(convolved(solve(inject, first, second), read_out) - image).mean()
        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3)))
        return lambda: step(*weights)

    def forward():
        step = jax.jit(solve)
        return lambda: step(*weights[:3])

    for name, make in [("train", train), ("forward", forward)]:
        in_precisions("conv", f"{size} picard {name}", make, 15, count)


for task in sys.argv[1:] or ["cell", "conv"]:
    {"cell": cells, "conv": convolutions}[task]()
