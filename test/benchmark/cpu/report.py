"""Tables and plots of what was measured."""
import os
import platform
import re
import statistics
from xml.sax.saxutils import escape

OURS = "llmc"


def processor(field):
    """What Linux says of the processor, or nothing."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(rf"^{field}\s*:\s*(.*)", file.read(), flags=re.M)
    return found.group(1) if found else ""


def units():
    """The processor's units for products, by Linux's names of them."""
    return [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if name in processor("flags").split()]


def machine():
    return f"{processor('model name') or platform.machine()} ({', '.join(units())}), {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"


def is_ours(name):
    return name.split(",")[0] == OURS


def best_peer(row):
    """The peer of the lowest median, or None."""
    medians = {name: statistics.median(values) for name, values in row.seconds.items() if values and not is_ours(name)}
    return min(medians, key=medians.get) if medians else None


def ratios(row, ours):
    """Ascending, a round each: how many times as fast as the best peer `ours` is."""
    peer = best_peer(row)
    return sorted(theirs / mine for mine, theirs in zip(row.seconds.get(ours, []), row.seconds[peer])) if peer else []


def speed(row, name):
    """Tokens per second, or ms to the first token."""
    seconds = statistics.median(row.seconds[name])
    return f"{1e3 * seconds:.0f} ms" if row.request["kind"] == "first-token" else f"{row.tokens / seconds:.1f}"


def table(rows):
    lines = [
        "| model | type | work | llmc | best peer | llmc / best peer (lowest to highest round) | target | of the limit | llmc, 8-bit activations: / best peer | others |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        peer = best_peer(row)
        cells = [row.model, row.dtype, row.title]
        cells.append(speed(row, OURS) if row.seconds.get(OURS) else "refused")
        cells.append(f"{peer} {speed(row, peer)}" if peer else "")
        found = ratios(row, OURS)
        cells.append(f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})" if found else "")
        cells.append(f"{row.target}")
        cells.append(f"{100 * row.limit:.0f}%" if row.limit else "")
        eight = next((name for name in row.seconds if is_ours(name) and name != OURS and row.seconds[name]), None)
        found = ratios(row, eight) if eight else []
        cells.append(f"{speed(row, eight)}: {statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})" if found else "")
        others = [f"{name} {speed(row, name)}" for name in row.seconds if row.seconds[name] and name != peer and not is_ours(name)]
        cells.append(", ".join(others))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows, path):
    """A bar for each row: the ratio to the best peer, with the range of the rounds, and a mark at the target."""
    shown = [(row, ratios(row, OURS)) for row in rows if ratios(row, OURS)]
    left, width, height, top = 330, 420, 16, 24
    most = max(max(found[-1], row.target) for row, found in shown) * 1.05

    def x(value):
        return left + width * value / most

    bottom = top + height * len(shown)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{bottom + 30}" font-family="sans-serif" font-size="11">']
    parts.append(f'<rect width="100%" height="100%" fill="white"/><line x1="{x(1):.1f}" y1="{top - 4}" x2="{x(1):.1f}" y2="{bottom}" stroke="black"/>')
    for index, (row, found) in enumerate(shown):
        y = top + height * index
        median = statistics.median(found)
        color = "#2a7" if median >= row.target else "#59c" if median >= 1 else "#c64"
        parts.append(f'<text x="{left - 6}" y="{y + 11}" text-anchor="end">{escape(f"{row.model} {row.dtype}, {row.title}")}</text>')
        parts.append(f'<rect x="{left}" y="{y + 2}" width="{x(median) - left:.1f}" height="{height - 4}" fill="{color}"/>')
        parts.append(f'<line x1="{x(found[0]):.1f}" y1="{y + 8}" x2="{x(found[-1]):.1f}" y2="{y + 8}" stroke="black"/>')
        parts.append(f'<line x1="{x(row.target):.1f}" y1="{y + 1}" x2="{x(row.target):.1f}" y2="{y + height - 1}" stroke="#a00" stroke-width="2"/>')
    parts.append(f'<text x="{left}" y="{bottom + 18}">times as fast as the best peer; red marks are targets, black lines the range of the rounds</text></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")


def replace_part(page, name, text):
    """Puts `text` between the page's two marks called `name`."""
    with open(page, encoding="utf-8") as file:
        old = file.read()
    new, count = re.subn(rf"(<!-- {name} begin -->\n).*(<!-- {name} end -->)", lambda m: m.group(1) + text + m.group(2), old, flags=re.S)
    if count != 1:
        raise SystemExit(f"{page}: has no place marked for {name}")
    with open(page, "w", encoding="utf-8") as file:
        file.write(new)
