"""Compiling kernels ahead of time, for a GPU that need not be there, and reading what came out.

Every kernel's file has `configurations()`: each set of constants that its launcher can choose.
`report` compiles one of them for a target and counts registers, spills, shared memory and
instructions. The tests hold the numbers to their bounds; docs/kernels.md shows them as a table.

Needs triton (its wheel brings assembler and disassembler) and neither torch nor a GPU; the variable
TRITON_INTERPRET must not have been set when triton was imported.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Configuration:
    """One kernel with one set of constants, as a launcher would run it.

    Attributes:
        name: unique: kernel, dtype, and what distinguishes it: "layer_norm bfloat16 768".
        kernel: the `@triton.jit` function.
        signature: Triton's type of each run-time parameter, in order: "*bf16", "i32", "fp32".
            Pointers and integers count as divisible by 16, as they are for the widths and
            allocations that the models have; "i32:any" does not.
        constants: the compile-time parameters.
        warps: warps of a program.
        stages: stages of the software pipeline.
        tensor_cores: whether matrix products must have become tensor-core instructions.
        wide_loads: whether the large operands must be loaded and stored 128 bits at a time.
    """

    name: str
    kernel: Any
    signature: Mapping[str, str]
    constants: Mapping[str, Any] = field(default_factory=dict)
    warps: int = 4
    stages: int = 1
    tensor_cores: bool = False
    wide_loads: bool = False


@dataclass(frozen=True)
class Report:
    """What a compiled kernel uses on one target.

    Attributes:
        target: the architecture: "sm_90", "gfx942".
        registers: of a thread (vector registers on AMD).
        spilled: bytes of a thread's registers that live in memory.
        shared: bytes of shared memory of a program.
        instructions: how many, all in all.
        tensor: how many of them are tensor-core instructions, by their name: {"HGMMA": 8}.
        loads: global loads by their width in bits: {128: 5}; empty on AMD.
        stores: global stores, likewise.
    """

    target: str
    registers: int
    spilled: int
    shared: int
    instructions: int
    tensor: Mapping[str, int]
    loads: Mapping[int, int]
    stores: Mapping[int, int]


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
    "sm_80": ("HMMA",),
    "sm_90": ("HGMMA",),
    "sm_100": ("UTCHMMA", "UTCQMMA", "UTCMMA"),
    "gfx942": ("v_mfma",),
}
"""What a tensor core's instruction of each target's own generation is called."""

TRITON_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
"""Triton's names of the dtypes."""


def report(configuration: Configuration, target: str) -> Report:
    """Compile one configuration for one target, and read what came out.

    Args:
        configuration: what to compile.
        target: one of SHARED_LIMITS.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, divisible = {}, {}
    for place, name in enumerate(configuration.kernel.arg_names):
        kind = configuration.signature.get(name, "constexpr")
        signature[name] = kind.removesuffix(":any")
        if kind.startswith("*") or kind in ("i32", "i64"):
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
        return _read_amd(target, compiled)
    return _read_nvidia(target, compiled)


def _read_nvidia(target: str, compiled: Any) -> Report:
    """Count in the disassembled binary."""
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder, "kernel.cubin")
        binary.write_bytes(compiled.asm["cubin"])
        usage = _tool("-res-usage", binary)
        listing = _tool("-sass", binary)
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    if found is None:
        raise RuntimeError(f"cuobjdump says nothing of registers for {target}: {usage[:200]}")
    codes = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", listing, re.M)
    kinds = [code.split(".")[0] for code in codes]
    spills = sum(kind in ("LDL", "STL") for kind in kinds)
    return Report(
        target,
        registers=int(found[1]),
        spilled=int(found[2]) or 4 * spills,
        shared=compiled.metadata.shared,
        instructions=len(kinds),
        tensor={k: kinds.count(k) for k in sorted(set(kinds)) if "MMA" in k},
        loads=_widths(codes, ("LDG", "LDGSTS")),
        stores=_widths(codes, ("STG",)),
    )


def _tool(flag: str, binary: Path) -> str:
    """Run the disassembler that lies in triton's wheel."""
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    done = subprocess.run([tool, flag, binary], capture_output=True, text=True, check=True)
    return done.stdout


def _widths(codes: list[str], kinds: tuple[str, ...]) -> dict[int, int]:
    """Count memory instructions by their width in bits; 32 where the name says nothing."""
    found: dict[int, int] = {}
    for code in codes:
        name, *modifiers = code.split(".")
        if name in kinds:
            bits = {"64": 64, "128": 128, "256": 256, "U16": 16, "S16": 16, "U8": 8, "S8": 8}
            width = next((bits[each] for each in modifiers if each in bits), 32)
            found[width] = found.get(width, 0) + 1
    return dict(sorted(found.items()))


def _read_amd(target: str, compiled: Any) -> Report:
    """Read the metadata of the assembly text."""
    text = compiled.asm["amdgcn"]

    def number(name: str) -> int:
        found = re.search(rf"\.{name}:\s+(\d+)", text)
        return int(found[1]) if found else 0

    codes = re.findall(r"^\t([a-z]+_\w+)", text, re.M)
    matrix = [code for code in codes if code.startswith("v_mfma")]
    return Report(
        target,
        registers=number("vgpr_count"),
        spilled=4 * number("vgpr_spill_count") or number("private_segment_fixed_size"),
        shared=compiled.metadata.shared,
        instructions=len(codes),
        tensor={"v_mfma": len(matrix)} if matrix else {},
        loads={},
        stores={},
    )
