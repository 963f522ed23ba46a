"""Compiling kernels ahead of time, for a GPU that need not be there, and reading what came out.

Every kernel's file has `configurations()`: each set of constants that its launcher can choose.
`report` compiles one of them for a target and counts what disassembled.py finds; `faults` says
which rules the numbers break. The tests hold every configuration to them (tests/compiled), and
compiled_table.py writes the numbers into docs/kernels.md.

Needs triton from 3.4 on (its wheel brings assembler and disassembler) and no GPU. The variable
TRITON_INTERPRET must not have been set when triton was imported: there is nothing to compile then.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernels.disassembled import Report, read_amd, read_nvidia
from kernels.errors import KernelError


@dataclass(frozen=True)
class Configuration:
    """One kernel with one set of constants, as a launcher would run it.

    Attributes:
        name: unique: kernel, dtype, and what distinguishes it: "layer_norm bfloat16 768".
        kernel: the `@triton.jit` function.
        signature: Triton's type of each run-time parameter, in order: "*bf16", "i32", "fp32".
            Pointers and integers count as divisible by 16, as they are for the widths and
            allocations that the models have; "i32:any" and "*bf16:any" do not.
        constants: the compile-time parameters.
        warps: warps of a program.
        stages: stages of the software pipeline.
        tensor_cores: whether matrix products must have become tensor-core instructions.
        wide_loads: whether the large operands must be loaded and stored 128 bits at a time (64 on
            AMD, whose warps have twice the lanes).
        seldom: whether only the slow tests compile it, because another one differs from it in
            nothing but a number or an activation function.
    """

    name: str
    kernel: Any
    signature: Mapping[str, str]
    constants: Mapping[str, Any] = field(default_factory=dict)
    warps: int = 4
    stages: int = 1
    tensor_cores: bool = False
    wide_loads: bool = False
    seldom: bool = False


SHARED_LIMITS = {
    "sm_80": 163 * 1024,
    "sm_90": 227 * 1024,
    "sm_100": 227 * 1024,
    "gfx942": 64 * 1024,
}
"""Bytes of shared memory that one program may have on each target.

Source: CUDA C++ Programming Guide 12.8, table 28; AMD CDNA 3 ISA, section 1.2 (LDS).
"""

TENSOR_INSTRUCTIONS = {
    "sm_80": "HMMA",
    "sm_90": "HGMMA",
    "sm_100": "UTCHMMA",
    "gfx942": "v_mfma",
}
"""What a tensor core's instruction of each target's own generation is called (float16 to tf32)."""

TRITON_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
"""Triton's names of the dtypes."""

WIDE = 0.75
"""The least share of wide loads and stores where `wide_loads` is set.

The rest is for vectors of weights and for the last, narrow piece of a row that is no power of two.
"""


def faults(configuration: Configuration, found: Report) -> list[str]:
    """Say which rules a compiled configuration breaks; none is right.

    Tensor cores: where they are claimed, their own generation's instructions must be there. A
    float32 product that does not claim them must not have them on NVIDIA, where they would round
    to tf32; AMD's multiply float32 exactly.
    """
    broken = []
    if found.spilled:
        broken.append(f"{found.spilled} bytes of registers are spilled")
    if found.shared > SHARED_LIMITS[found.target]:
        limit = SHARED_LIMITS[found.target]
        broken.append(f"{found.shared} bytes of shared memory; {found.target} has {limit}")
    wanted = TENSOR_INSTRUCTIONS[found.target]
    if configuration.tensor_cores and wanted not in found.tensor:
        broken.append(f"no {wanted} among its tensor-core instructions {dict(found.tensor)}")
    halves = {"*fp16", "*bf16"} & {each.removesuffix(":any") for each in _kinds(configuration)}
    exact = not halves and not configuration.tensor_cores
    if exact and found.tensor and found.target.startswith("sm"):
        broken.append(f"float32 goes through tensor cores: {dict(found.tensor)}")
    if configuration.wide_loads and found.wide < WIDE:
        broken.append(
            f"only {found.wide:.0%} of the bytes move {found.wide_bits} bits at a time: "
            f"loads {dict(found.loads)}, stores {dict(found.stores)}"
        )
    return broken


def _kinds(configuration: Configuration) -> set[str]:
    return set(configuration.signature.values())


def report(configuration: Configuration, target: str) -> Report:
    """Compile one configuration for one target, and read what came out.

    Args:
        configuration: what to compile.
        target: one of SHARED_LIMITS.

    Raises:
        KernelError: Triton's interpreter is on, so its compiler is off; or the configuration does
            not have every parameter of the kernel, once.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    if not isinstance(configuration.kernel, triton.JITFunction):
        raise KernelError("report: unset TRITON_INTERPRET; the interpreter does not compile")
    names = configuration.kernel.arg_names
    given = [*configuration.signature, *configuration.constants]
    if sorted(given) != sorted(names):
        raise KernelError(
            f"{configuration.name}: the kernel's parameters are {names}; the configuration has {given}"
        )
    signature, divisible = {}, {}
    for place, name in enumerate(names):
        kind = configuration.signature.get(name, "constexpr")
        signature[name] = kind.removesuffix(":any")
        if kind == signature[name] and (kind.startswith("*") or kind in ("i32", "i64")):
            divisible[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(
        configuration.kernel, signature, constexprs=dict(configuration.constants), attrs=divisible
    )
    amd = target.startswith("gfx")
    machine = GPUTarget("hip", target, 64) if amd else GPUTarget("cuda", int(target[3:]), 32)
    options = {
        "num_warps": configuration.warps,
        "num_stages": configuration.stages,
        "enable_fp_fusion": True,
    }
    compiled = triton.compile(source, target=machine, options=options)
    if amd:
        return read_amd(target, compiled.asm["amdgcn"], compiled.metadata.shared)
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder, "kernel.cubin")
        binary.write_bytes(compiled.asm["cubin"])
        usage, listing = _tool("-res-usage", binary), _tool("-sass", binary)
    return read_nvidia(target, usage, listing, compiled.metadata.shared)


def _tool(flag: str, binary: Path) -> str:
    """Run the disassembler that lies in triton's wheel."""
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    done = subprocess.run([tool, flag, binary], capture_output=True, text=True, check=True)
    return done.stdout
