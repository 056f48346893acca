"""The recordings of `measure` as a table of Markdown: python table.py FILE.jsonl...

A row for each setting, a column for each device of Banach and for each peer and precision, and how many times as fast the best of
Banach on a device is as the best of torchdeq, eager and compiled.
"""
import json, sys

NAMES = {"fixed_point_iter": "picard"}


def setting(line):
    words = [NAMES.get(word, word) for word in line["setting"].split()]
    return f'{line["task"]} {" ".join(words)}'


def column(line):
    if line["peer"] != "banach":
        return f'{line["peer"]}, {line["precision"]}'
    return ", ".join(["Banach", line.get("device", "cpu"), *([line["backward"]] if "backward" in line else [])])


lines = [json.loads(text) for path in sys.argv[1:] for text in open(path)]
lines = [line for line in lines if line.get("epoch", 3) == 3]
rows, columns = (list(dict.fromkeys(name(line) for line in lines)) for name in (setting, column))
cells = {(setting(line), column(line)): line["ms"] for line in lines}
best = lambda row, begins: min((ms for (of, name), ms in cells.items() if of == row and name.startswith(begins)), default=None)
devices = sorted({line["device"] for line in lines if "device" in line})
header = ["milliseconds", *columns, "against torchdeq", "against it compiled"]
print("| " + " | ".join(header) + " |\n| :-- |" + " --: |" * (len(header) - 1))
for row in rows:
    ours = min((ms for device in devices if (ms := best(row, f"Banach, {device}")) is not None), default=None)
    eager = [best(row, f"torchdeq, {precision}") for precision in ["f32", "tf32"]]
    compiled = [best(row, f"torchdeq, compiled, {precision}") for precision in ["f32", "tf32"]]
    ratios = [[ms / ours for ms in peers if ms and ours] for peers in (eager, compiled)]
    texts = ["" if (ms := cells.get((row, name))) is None else f"{ms:.3g}" for name in columns]
    print("| " + " | ".join([row, *texts, *(", ".join(f"{ratio:.2f}" for ratio in found) for found in ratios)]) + " |")
