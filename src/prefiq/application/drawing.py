"""The graph of modules as an SVG picture: layers from what is built upon (below) to what builds (above).

The layout is the usual one in four steps: put each module above what it has something from, give every line
that crosses a layer a place there, order the layers so that few lines cross, and move what belongs together
above each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from html import escape

from prefiq.application.module_graph import Edge, ModuleGraph, ModuleNode

__all__ = ["svg"]

WIDEST = 7
"""Modules beside each other at most."""
LETTER, LINE, HEIGHT, GAP, LAYER = 7.2, 12.0, 44.0, 28.0, 92.0
Key = str | tuple[int, int]
"""A module's name, or an edge's number and the layer that it crosses."""

STYLE = """\
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1b2733; text-anchor: middle }
    text.package { font-size: 11px; fill: #5a6b7b }
    rect { fill: #f4f7fa; stroke: #7b8da0; stroke-width: 1.2 }
    path { fill: none; stroke: #7b8da0; stroke-width: 1.4; marker-end: url(#tip) }
    path.soft { stroke-dasharray: 5 4 }
    path:hover { stroke: #0b63c5; stroke-width: 2.5 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } text.package { fill: #9fb0c0 } rect { fill: #1e2933; stroke: #8496a8 }
    }
  </style>
  <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
    <path d="M0,0 L8,4 L0,8 z" style="fill:#7b8da0;stroke:none;marker-end:none"/></marker></defs>
"""


def svg(graph: ModuleGraph) -> str:
    """The picture: solid lines to what a module needs, dashed ones to what it only adds to."""
    layer = _layers(graph)
    layers, chains = _with_crossings(graph, layer)
    _order(layers, chains)
    widths = {module.name: _width(module) for module in graph.modules}
    x = _places(layers, chains, widths)
    left = min((x[key] - _half(key, widths) for row in layers for key in row), default=0.0) - GAP
    right = max((x[key] + _half(key, widths) for row in layers for key in row), default=0.0) + GAP
    height = len(layers) * LAYER + GAP
    y = {key: height - LAYER * (number + 1) + HEIGHT / 2 for number, row in enumerate(layers) for key in row}
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} 0 {right - left:.0f} {height:.0f}" '
            f'width="{right - left:.0f}" height="{height:.0f}" role="img">\n'
            f"  <title>{len(graph.modules)} modules</title>\n{STYLE}"
        )
    ]
    for edge, chain in zip(graph.edges, chains, strict=True):
        parts.append(_line(edge, [(x[key], y[key]) for key in chain]))
    parts += [_box(module, x[module.name], y[module.name], widths[module.name]) for module in graph.modules]
    return "".join([*parts, "</svg>\n"])


def _layers(graph: ModuleGraph) -> dict[str, int]:
    """The layer of each module, 0 lowest: above all that stands before it and that it has something from."""
    order = {module.name: number for number, module in enumerate(graph.modules)}
    below: dict[str, set[str]] = {name: set() for name in order}
    for edge in graph.edges:  # a line against the module order is one of a circle, and goes upwards
        low, high = sorted((edge.source, edge.target), key=order.__getitem__)
        below[high].add(low)
    layer: dict[str, int] = {}
    counts: dict[int, int] = {}
    for name in order:
        place = 1 + max((layer[other] for other in below[name]), default=-1)
        while counts.get(place, 0) >= WIDEST:
            place += 1
        layer[name] = place
        counts[place] = counts.get(place, 0) + 1
    for name in reversed(order):  # what more build upon than it builds upon comes nearer to those
        above = [layer[other] for other in order if name in below[other]]
        if len(above) > len(below[name]):
            free = [place for place in range(layer[name] + 1, min(above)) if counts.get(place, 0) < WIDEST]
            if free:
                counts[layer[name]] -= 1
                layer[name] = free[-1]
                counts[free[-1]] += 1
    return layer


def _with_crossings(
    graph: ModuleGraph, layer: Mapping[str, int]
) -> tuple[list[list[Key]], list[tuple[Key, ...]]]:
    """What stands in each layer, and the way of each edge from source to target."""
    layers: list[list[Key]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    for name, number in layer.items():
        layers[number].append(name)
    chains: list[tuple[Key, ...]] = []
    for number, edge in enumerate(graph.edges):
        start, end = layer[edge.source], layer[edge.target]
        step = 1 if end > start else -1
        between: list[Key] = [(number, crossed) for crossed in range(start + step, end, step)]
        for crossed, key in zip(range(start + step, end, step), between, strict=True):
            layers[crossed].append(key)
        chains.append((edge.source, *between, edge.target))
    return layers, chains


def _neighbours(chains: Sequence[tuple[Key, ...]]) -> dict[Key, list[Key]]:
    found: dict[Key, list[Key]] = {}
    for chain in chains:
        for one, other in itertools.pairwise(chain):
            found.setdefault(one, []).append(other)
            found.setdefault(other, []).append(one)
    return found


def _order(layers: list[list[Key]], chains: Sequence[tuple[Key, ...]]) -> None:
    """Order each layer by where its neighbours stand, up and down, and keep what crosses least."""
    near = _neighbours(chains)
    place = {key: number for row in layers for number, key in enumerate(row)}
    best, fewest = [list(row) for row in layers], _crossings(layers, near, place)
    for sweep in range(12):
        for number in range(len(layers)) if sweep % 2 == 0 else range(len(layers) - 1, -1, -1):
            fixed = set(layers[number - 1] if sweep % 2 == 0 and number else [])
            if sweep % 2 and number + 1 < len(layers):
                fixed = set(layers[number + 1])
            weights = {}
            for key in layers[number]:
                seen = [place[other] for other in near.get(key, ()) if other in fixed]
                weights[key] = sum(seen) / len(seen) if seen else place[key]
            layers[number].sort(key=weights.__getitem__)
            place.update((key, spot) for spot, key in enumerate(layers[number]))
        crossing = _crossings(layers, near, place)
        if crossing < fewest:
            best, fewest = [list(row) for row in layers], crossing
    layers[:] = best


def _crossings(
    layers: Sequence[Sequence[Key]], near: Mapping[Key, list[Key]], place: Mapping[Key, int]
) -> int:
    count = 0
    for low, high in itertools.pairwise(layers):
        above = set(high)
        lines = [(place[key], place[other]) for key in low for other in near.get(key, ()) if other in above]
        count += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(lines) for c, d in lines[n + 1 :])
    return count


def _places(
    layers: Sequence[Sequence[Key]], chains: Sequence[tuple[Key, ...]], widths: Mapping[str, float]
) -> dict[Key, float]:
    """Where each stands: as near above and below its neighbours as the order and the widths allow."""
    near = _neighbours(chains)
    x: dict[Key, float] = {}
    for row in layers:
        at = 0.0
        for key in row:
            x[key] = at + _half(key, widths)
            at = x[key] + _half(key, widths) + GAP
        x.update((key, x[key] - at / 2) for key in row)
    for _ in range(20):
        for row in layers:
            wanted = [sum(x[o] for o in near[k]) / len(near[k]) if near.get(k) else x[k] for k in row]
            x.update(zip(row, _apart(row, wanted, widths), strict=True))
    return x


def _apart(row: Sequence[Key], wanted: Sequence[float], widths: Mapping[str, float]) -> list[float]:
    """The places nearest to those wanted (by squares) that keep the order and the gaps."""
    offsets = [0.0]
    for one, other in itertools.pairwise(row):
        offsets.append(offsets[-1] + _half(one, widths) + GAP + _half(other, widths))
    blocks: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=True):
        mean, size = place - offset, 1
        while blocks and blocks[-1][0] >= mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _half(key: Key, widths: Mapping[str, float]) -> float:
    return widths[key] / 2 if isinstance(key, str) else LINE / 2


def _width(module: ModuleNode) -> float:
    return max(96.0, LETTER * max(len(module.name), len(module.package)) + 24)


def _box(module: ModuleNode, x: float, y: float, width: float) -> str:
    says = f"{module.name}: {module.models} models, {module.bindings} bindings"
    package = (
        f'    <text class="package" x="{x:.1f}" y="{y + 14:.1f}">{escape(module.package)}</text>\n'
        if module.package
        else ""
    )
    return (
        f'  <g>\n    <title>{escape(says)}</title>\n    <rect x="{x - width / 2:.1f}" y="{y - HEIGHT / 2:.1f}" '
        f'width="{width:.1f}" height="{HEIGHT:.0f}" rx="6"/>\n'
        f'    <text x="{x:.1f}" y="{y - 3 if package else y + 4:.1f}">{escape(module.name)}</text>\n{package}  </g>\n'
    )


def _line(edge: Edge, points: Sequence[tuple[float, float]]) -> str:
    up = points[-1][1] < points[0][1]
    side = -HEIGHT / 2 if up else HEIGHT / 2
    path = f"M{points[0][0]:.1f},{points[0][1] + side:.1f}"
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        middle = (ay + by) / 2
        path += f" C{ax:.1f},{middle:.1f} {bx:.1f},{middle:.1f} {bx:.1f},{by - side:.1f}"
        if (bx, by) != points[-1]:  # straight between the modules of a layer that it crosses
            path += f" V{by + side:.1f}"
    says = f"{edge.source}: " + "; ".join(edge.details[:12]) + ("; …" if len(edge.details) > 12 else "")
    kind = "" if edge.strong else ' class="soft"'
    return f'  <path{kind} d="{path}"><title>{escape(says)}</title></path>\n'
