"""Drawings to pixels: every vendor's emoji as RGBA, kept as one array a vendor.

Icons are found by code point where the package lists them, otherwise by name. Alpha is kept, so
that training can put any background behind. Follows concepts.py; next: augment.py.
"""

import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import resvg_py
from PIL import Image

from .concepts import Concept, plain_code
from .sources import Vendor, read_json, vendor_folder

SIDE = 64  # pixels of the stored drawings


def squeeze(name: str) -> str:
    """Reduce a name to its letters and digits, so that spellings of it compare equal.

    >>> squeeze("Keycap: 1st-place")
    'keycap1stplace'
    """
    text = unicodedata.normalize("NFKD", name.lower().replace("&", "and"))
    return re.sub(r"[^a-z0-9*#]", "", text)


def icon_svgs(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return an icon package's SVG text by icon name, and icon names by plain code point."""
    pack = read_json(folder / "icons.json")
    width, height = pack.get("width", 16), pack.get("height", 16)
    bodies = dict(pack["icons"])
    for name, alias in pack.get("aliases", {}).items():
        if alias.get("parent") in pack["icons"] and len(alias) == 1:
            bodies[name] = pack["icons"][alias["parent"]]
    svgs = {}
    for name, icon in bodies.items():
        box = f"{icon.get('left', 0)} {icon.get('top', 0)}"
        box += f" {icon.get('width', width)} {icon.get('height', height)}"
        body = icon["body"].replace("currentColor", "#202020")
        svgs[name] = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{body}</svg>'
    codes = {plain_code(c): n for c, n in read_json(folder / "chars.json").items() if n in svgs}
    return svgs, codes


def names_of(concept: Concept) -> list[str]:
    """List the names under which a package may keep an emoji: CLDR's and the character's own."""
    names = [concept.names[0]]
    bare = concept.emoji.replace("\ufe0f", "")
    if len(bare) == 1:
        names.append(unicodedata.name(bare, ""))
    return [squeeze(n) for n in names if n]


def find_svgs(folder: Path, concepts: list[Concept]) -> dict[int, str]:
    """Map concept indices to SVG text."""
    svgs, codes = icon_svgs(folder)
    by_name: dict[str, str] = {}
    for name in svgs:
        by_name.setdefault(squeeze(name), name)
    found = {}
    for index, concept in enumerate(concepts):
        keys = [codes.get(concept.code), *(by_name.get(n) for n in names_of(concept))]
        name = next((k for k in keys if k), None)
        if name:
            found[index] = svgs[name]
    return found


def draw(svg: str, side: int) -> Image.Image:
    """Render SVG text into a square RGBA picture."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    if picture.size == (side, side):
        return picture
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def pictures_of(
    work: Path, vendor: Vendor, concepts: list[Concept], side: int
) -> dict[int, Image.Image]:
    """Map concept indices to one vendor's drawings at the given size."""
    folder = vendor_folder(work, vendor)
    if (folder / "icons.json").exists():
        return {i: draw(svg, side) for i, svg in find_svgs(folder, concepts).items()}
    files = {plain_code(p.stem): p for p in folder.glob("assets/*.webp") if is_code(p.stem)}
    found = {i: files[c.code] for i, c in enumerate(concepts) if c.code in files}
    size = (side, side)
    return {
        i: Image.open(p).convert("RGBA").resize(size, Image.Resampling.LANCZOS)
        for i, p in found.items()
    }


def is_code(stem: str) -> bool:
    """Say whether a file stem is a joined code-point name."""
    return re.fullmatch(r"[0-9a-fA-F]+(-[0-9a-fA-F]+)*", stem) is not None


def load_vendor(
    work: Path, vendor: Vendor, concepts: list[Concept], side: int = SIDE
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return one vendor's drawings (N, side, side, 4) and their concept indices (N,), cached."""
    cache = work / "cache" / f"{vendor.key}-{side}.npz"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        found = pictures_of(work, vendor, concepts, side)
        pixels = np.stack([np.asarray(picture) for picture in found.values()])
        np.savez(cache, pixels=pixels, index=np.array(list(found), np.int64))
    with np.load(cache) as data:
        return data["pixels"], data["index"]
