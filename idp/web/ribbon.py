"""The fine-line band under the header, drawn from a hash of the issuer so that each installation has its own.

Look: reference/screens.md §3.1.
"""

import hashlib
from functools import lru_cache

from markupsafe import Markup

PERIOD = 240
HEIGHT = 32


def _wave(name: str, turns: int, amplitude: int, phase: int) -> str:
    """Return a path *name*: a sine around zero, *turns* waves a period, from crest to trough in single curves."""
    half = PERIOD / turns / 2
    # a cubic from crest to trough follows the sine when its controls lie at 0.3642 of the way
    near, far, drop = f"{half * 0.3642:.3g}", f"{half * 0.6358:.3g}", 2 * amplitude
    down, up = (f"{far} {rise} {half:g} {rise}" for rise in (drop, -drop))
    start = f"M{phase - PERIOD} {-amplitude}c{near} 0 {down}s{up}"
    return f'<path id="{name}" d="{start}{f" {down} {up}" * (2 * turns - 1)}"/>'


def _strands(name: str, count: int) -> str:
    """Return *count* copies of a wave between its full height and the axis; their mirror images make lenses."""
    heights = ((2 * strand + 1) / (2 * count) for strand in range(count))
    return "".join(f'<use href="#{name}" transform="scale(1 {height:.2g})"/>' for height in heights)


@lru_cache(maxsize=64)
def ribbon(issuer: str) -> Markup:
    """Return the band of *issuer* as decorative inline SVG of at most one kilobyte.

    Only presentation attributes are used, because the content security policy admits no inline style.
    """
    seed = hashlib.sha256(issuer.encode()).digest()
    slow, quick = ((1, 2), (1, 3), (2, 3), (1, 4))[seed[0] % 4]
    waves = _wave("a", slow, 12 + seed[1] % 4, 0) + _wave(
        "b", quick, 8 + seed[2] % 7, seed[3] % (PERIOD // quick)
    )
    strands = _strands("a", 3 + seed[4] % 2) + _strands("b", 2 + seed[5] % 2)
    return Markup(
        f'<svg aria-hidden="true" width="100%" height="{HEIGHT}"><defs>{waves}'
        f'<pattern id="r" width="{PERIOD}" height="{HEIGHT}" patternUnits="userSpaceOnUse">'
        f'<g fill="none" stroke="currentColor" stroke-width=".6" transform="translate(0 {HEIGHT // 2})">'
        f'<g id="s">{strands}</g><use href="#s" transform="scale(1 -1)"/></g></pattern></defs>'
        f'<rect width="100%" height="{HEIGHT}" fill="url(#r)"/></svg>'
    )
