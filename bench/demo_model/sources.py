"""Where the demo model's pictures and words come from: packages, versions, licences, roles.

First step of bench/demo_model: downloads archives with the npm client and unpacks them.
Next: concepts.py (which emoji, which captions) and render.py (drawings to pixels).
"""

import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Vendor:
    """One set of drawings: its package, its licence, and whether the model may train on it."""

    key: str
    package: str
    version: str
    author: str
    licence: str
    url: str
    role: str  # "train", "develop" (watched while the recipe was chosen) or "test"


MICROSOFT = "https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE"
GOOGLE = "https://github.com/googlefonts/noto-emoji/blob/main/svg/LICENSE"
BY = "https://creativecommons.org/licenses/by/4.0/"
BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
ICONS = "@iconify-json/"

VENDORS = (
    Vendor("noto", ICONS + "noto", "1.2.9", "Google Inc", "Apache-2.0", GOOGLE, "train"),
    Vendor("noto-v1", ICONS + "noto-v1", "1.2.5", "Google Inc", "Apache-2.0", GOOGLE, "train"),
    Vendor("fluent", ICONS + "fluent-emoji", "1.2.7", "Microsoft", "MIT", MICROSOFT, "train"),
    Vendor(
        "fluent-flat", ICONS + "fluent-emoji-flat", "1.2.6", "Microsoft", "MIT", MICROSOFT, "train"
    ),
    Vendor(
        "fluent-line",
        ICONS + "fluent-emoji-high-contrast",
        "1.2.6",
        "Microsoft",
        "MIT",
        MICROSOFT,
        "train",
    ),
    Vendor(
        "fluent-3d", "@lobehub/fluent-emoji-3d", "1.1.0", "Microsoft", "MIT", MICROSOFT, "train"
    ),
    Vendor("emojione", ICONS + "emojione", "1.2.3", "Emoji One", "CC-BY-4.0", BY, "train"),
    Vendor("twemoji", ICONS + "twemoji", "1.2.5", "Twitter", "CC-BY-4.0", BY, "develop"),
    Vendor(
        "fxemoji",
        ICONS + "fxemoji",
        "1.2.2",
        "Mozilla",
        "Apache-2.0",
        "https://mozilla.github.io/fxemoji/LICENSE.md",
        "test",
    ),
    Vendor("openmoji", ICONS + "openmoji", "1.2.29", "OpenMoji", "CC-BY-SA-4.0", BY_SA, "test"),
    Vendor(
        "emojione-v1", ICONS + "emojione-v1", "1.2.3", "Emoji One", "CC-BY-SA-4.0", BY_SA, "test"
    ),
)

TEXTS = {
    "cldr-annotations-full": "48.2.0",  # Unicode-3.0
    "cldr-annotations-derived-full": "48.2.0",  # Unicode-3.0
    "emojibase-data": "17.0.0",  # MIT
}


def package_folder(work: Path, package: str, version: str) -> Path:
    """Return the unpacked folder of one npm package, downloading it when it is absent."""
    folder = work / "npm" / f"{package.lstrip('@').replace('/', '-')}-{version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        subprocess.run(command, cwd=folder.parent, check=True)
        with tarfile.open(f"{folder}.tgz") as archive:
            archive.extractall(folder, filter="data")
    return folder / "package"


def text_folder(work: Path, package: str) -> Path:
    """Return the unpacked folder of one of the TEXTS packages."""
    return package_folder(work, package, TEXTS[package])


def vendor_folder(work: Path, vendor: Vendor) -> Path:
    """Return the unpacked folder of one vendor's drawings."""
    return package_folder(work, vendor.package, vendor.version)


def read_json(path: Path) -> Any:
    """Read one JSON file as UTF-8."""
    return json.loads(path.read_text(encoding="utf-8"))
