"""What the card can do at most, measured in the same run: copying memory, and plain products.

A row's share is of one of these: "copy" is torch's `copy_` of as many bytes as the case moves,
"product" a product of 8192³ in the case's dtype, "own product" one of the case's own shape,
without bias or activation.
"""

import torch

from .measure import Timer

COPIED = 2**30  # bytes of the header's copy, half read and half written
SMALLEST, LARGEST = 2**20, 2**33
SIDE = 8192


class Ceilings:
    """Measures each ceiling once and remembers it.

    Args:
        device: where to measure.
        timer: measure.py's.
        tiny: a dry run: everything shrinks until the CPU does it at once.
    """

    def __init__(self, device: torch.device, timer: Timer, *, tiny: bool = False) -> None:
        self._device, self._timer = device, timer
        self._largest, self._side = (2**16, 64) if tiny else (LARGEST, SIDE)
        self._copies: dict[int, float] = {}
        self._products: dict[tuple[int, int, int, torch.dtype], float] = {}

    def copy(self, moved: int = COPIED) -> float:
        """Bytes a second of a copy that moves so many: it reads half and writes half."""
        half = min(max(moved, SMALLEST), self._largest) // 2
        if half not in self._copies:
            source = torch.ones(half, dtype=torch.uint8, device=self._device)
            target = torch.empty_like(source)
            seconds = self._timer(lambda: target.copy_(source)).p50
            self._copies[half] = 2 * half / seconds
        return self._copies[half]

    def product(self, m: int, n: int, k: int, dtype: torch.dtype) -> float:
        """FLOPs a second of torch's plain product (m, k) by (n, k) transposed."""
        shape = (m, n, k, dtype)
        if shape not in self._products:
            a = torch.randn(m, k, device=self._device).to(dtype)
            b = torch.randn(n, k, device=self._device).to(dtype)
            seconds = self._timer(lambda: a @ b.T).p50
            self._products[shape] = 2 * m * n * k / seconds
        return self._products[shape]

    def square_product(self, dtype: torch.dtype) -> float:
        """FLOPs a second of a product of 8192³."""
        return self.product(self._side, self._side, self._side, dtype)
