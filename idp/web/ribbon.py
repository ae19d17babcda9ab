"""The fine-line band under the header, drawn from a hash of the issuer so that each installation has its own.

Look: reference/screens.md §3.1.
"""

import hashlib
from functools import lru_cache

from markupsafe import Markup

PERIOD = 240
HEIGHT = 32


def _wave(name: str, turns: int, amplitude: int, phase: int) -> Markup:
    """Return a path *name*: a sine around zero, *turns* waves a period, from crest to trough and back."""
    half = PERIOD / turns / 2
    # a cubic from crest to trough follows the sine when its controls lie at 0.3642 of the way
    near, far, drop = f"{half * 0.3642:.3g}", f"{half * 0.6358:.3g}", 2 * amplitude
    down, up = (f"{far} {rise} {half:g} {rise}" for rise in (drop, -drop))
    curves = f"M{phase - PERIOD} {-amplitude}c{near} 0 {down}s{up}" + f" {down} {up}" * (2 * turns - 1)
    return Markup('<path id="{}" d="{}"/>').format(name, curves)


def _strands(name: str, count: int) -> Markup:
    """Return *count* copies of a wave between full height and axis; their mirror images make lenses."""
    heights = ((2 * strand + 1) / (2 * count) for strand in range(count))
    use = Markup('<use href="#{}" transform="scale(1 {:.2g})"/>')
    return Markup("").join(use.format(name, height) for height in heights)


@lru_cache(maxsize=64)
def ribbon(issuer: str) -> Markup:
    """Return the band of *issuer* as decorative inline SVG of at most one kilobyte.

    Only presentation attributes are used, because the content security policy admits no inline style.
    """
    seed = hashlib.sha256(issuer.encode()).digest()
    slow, quick = ((1, 2), (1, 3), (2, 3), (1, 4))[seed[0] % 4]
    wide, narrow, phase = 12 + seed[1] % 4, 8 + seed[2] % 7, seed[3] % (PERIOD // quick)
    return Markup(
        '<svg aria-hidden="true" width="100%" height="{height}"><defs>{waves}'
        '<pattern id="r" width="{period}" height="{height}" patternUnits="userSpaceOnUse">'
        '<g fill="none" stroke="currentColor" stroke-width=".6" transform="translate(0 {middle})">'
        '<g id="s">{strands}</g><use href="#s" transform="scale(1 -1)"/></g></pattern></defs>'
        '<rect width="100%" height="{height}" fill="url(#r)"/></svg>'
    ).format(
        waves=_wave("a", slow, wide, 0) + _wave("b", quick, narrow, phase),
        strands=_strands("a", 3 + seed[4] % 2) + _strands("b", 2 + seed[5] % 2),
        period=PERIOD,
        height=HEIGHT,
        middle=HEIGHT // 2,
    )
