"""Sizes that shapes tell: the numbers of a config.json, read off the tensors.

    sizes = Sizes(tensors, "ViT-B-32.pt")
    sizes.axis("visual.conv1.weight", 0, rank=4)     # the width of the image tower
    sizes.count("visual.transformer.resblocks.{}.ln_1.weight")

Used by the layouts that come without a config.
"""

import math
from typing import Any

from refimpl.checkpoints.layouts.renaming import Tensors
from refimpl.errors import InputError


class Sizes:
    """Reads sizes off tensors, and says by name which tensor is missing or of another rank."""

    def __init__(self, tensors: Tensors, where: str) -> None:
        self.where = where
        self._shapes: dict[str, tuple[int, ...]] = {
            name: tuple(x.shape) for name, x in tensors.items()
        }

    def axis(self, name: str, axis: int, rank: int) -> int:
        """Give the length of one axis.

        Raises:
            InputError: there is no such tensor, or it has another number of axes.
        """
        if name not in self._shapes:
            raise InputError(f"{self.where}: {name} is missing, so the sizes cannot be told")
        shape = self._shapes[name]
        if len(shape) != rank:
            raise InputError(f"{self.where}: {name} must have {rank} axes; its shape is {shape}")
        return shape[axis]

    def count(self, name: str) -> int:
        """Count the layers: how many names there are with 0, 1, 2, ... in the place of {}."""
        number = 0
        while name.format(number) in self._shapes:
            number += 1
        if number == 0:
            raise InputError(f"{self.where}: {name.format(0)} is missing, so there is no layer")
        return number

    def image_size(self, patch_size: int, patches: int, said: Any = None) -> int:
        """Give the side of the square picture that has so many patches.

        Args:
            patch_size: the side of a patch.
            patches: how many patches the position table is for.
            said: the side that a config beside the weights gives, which may be a little more than
                the patches fill (384 pixels are 27 patches of 14, and 6 that are not seen).

        Raises:
            InputError: the patches make no square, or not the one that the config says.
        """
        side = math.isqrt(max(patches, 0))
        if side < 1 or patch_size < 1 or side * side != patches:
            raise InputError(f"{self.where}: {patches} patches do not make a square picture")
        if said is None:
            return patch_size * side
        both = said if isinstance(said, list) else [said, said]
        if len(both) != 2 or any(type(x) is not int or x // patch_size != side for x in both):
            raise InputError(
                f"{self.where}: image_size is {said!r}, but the file's position table is for "
                f"{side}×{side} patches of {patch_size}×{patch_size} pixels"
            )
        if both[0] != both[1]:
            raise InputError(f"{self.where}: image_size is {said!r}; the hub's are square")
        return int(both[0])

    def heads(self, width: int, head_width: int) -> int:
        """Give the number of heads, which no shape tells, from the width that each has.

        Raises:
            InputError: the heads do not fill the width.
        """
        if width % head_width:
            raise InputError(
                f"{self.where}: heads of width {head_width} do not fill the width {width}"
            )
        return width // head_width
