"""All benchmarks: `python -m bench.gpu [--only NAME ...] [--out FOLDER] [--dry-run]`.

`--ways` instead times one kernel against product and pass, and prints the table that chooses.

Exit codes: 0, all results were right; 1, one was wrong or a kernel failed; 2, no GPU or an unknown
name. Missed goals are in the files and do not fail the run.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser("python -m bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these kernels only")
    parser.add_argument("--out", type=Path, help="folder of the results; bench/results by default")
    parser.add_argument("--dtype", nargs="+", default=["bfloat16"], help="bfloat16 by default")
    parser.add_argument("--tune", action="store_true", help="also torch.compile's tuned products")
    parser.add_argument("--ways", action="store_true", help="print the table WAY of kernels/ops.py")
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes on the CPU, no times")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and their cases")
    asked = parser.parse_args(arguments)
    if asked.dry_run or asked.list:  # before triton is imported: a GPU is not needed for these
        os.environ["TRITON_INTERPRET"] = "1"
    elif os.environ.get("TRITON_INTERPRET") == "1":
        return _stop("TRITON_INTERPRET is set: unset it, or add --dry-run")

    import torch

    from .all import BENCHMARKS
    from .run import run
    from .ways import measure_ways

    if unknown := sorted(set(asked.only or ()) - set(BENCHMARKS)):
        return _stop(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    chosen = [BENCHMARKS[name] for name in asked.only or BENCHMARKS]
    if asked.list:
        for benchmark in chosen:
            print(benchmark.op, *(case.name for case in benchmark.cases), sep="\n  ")
        return 0
    if not asked.dry_run and not torch.cuda.is_available():
        return _stop("torch sees no GPU; --dry-run compares everything on the CPU, with no times")
    if unknown := sorted(set(asked.dtype) - {"float32", "float16", "bfloat16"}):
        return _stop(f"no kernel computes in {unknown[0]}; take float32, float16 or bfloat16")
    device = torch.device("cpu" if asked.dry_run else "cuda:0")
    folder = asked.out or Path(
        tempfile.mkdtemp(prefix="dry-run-") if asked.dry_run else "bench/results"
    )
    dtypes = [getattr(torch, name) for name in asked.dtype]
    # what is compared in float32 is float32: cuDNN's convolutions would take tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if asked.ways:
        return measure_ways(device, dtypes, folder)
    return run(chosen, device, dtypes, folder, tune=asked.tune)


def _stop(message: str) -> int:
    print(f"bench.gpu: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
