"""Where a numpy forward pass spends its time, operation by operation.

Run `python bench/where_time_goes.py --batch 8`. It is one more interpreter: it wraps numpy's and
holds a clock to every operation; nested ones are counted where they are called from.
"""

import argparse
import time
from collections import defaultdict
from typing import Any

import numpy as np

from refimpl import ops
from refimpl.configs import CLIPConfig
from refimpl.models import CLIPModel


class Timed:
    """The numpy interpreter, with the CPU seconds that each operation took."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)

    def __getattr__(self, name: str) -> Any:
        operation = getattr(ops, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            result = operation(*args, **kwargs)
            self.seconds[name] += time.process_time() - start
            self.calls[name] += 1
            return result

        return timed


def main() -> None:
    """Print one line for each operation, the dearest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    batch = parser.parse_args().batch
    pixels = np.random.default_rng(0).standard_normal((batch, 3, 224, 224)).astype(np.float32)
    model = CLIPModel(CLIPConfig())
    model.get_image_features(pixels)
    model.ops = timed = Timed()
    start = time.process_time()
    model.get_image_features(pixels)
    total = time.process_time() - start
    print(f"ViT-B/32 image tower, batch {batch}: {total * 1e3:.0f} ms of CPU time")
    for name, seconds in sorted(timed.seconds.items(), key=lambda item: -item[1]):
        share = seconds / total
        print(f"{name:24} {timed.calls[name]:4d} calls {seconds * 1e3:8.1f} ms {share:6.1%}")
    rest = total - sum(timed.seconds.values())
    print(f"{'outside the operations':24} {'':10} {rest * 1e3:8.1f} ms {rest / total:6.1%}")


if __name__ == "__main__":
    main()
