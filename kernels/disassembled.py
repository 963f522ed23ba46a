"""Reading what a compiler made: registers, spills, memory accesses, tensor-core instructions.

Called by compiled.py with the disassembly of a binary for NVIDIA (what `cuobjdump` of triton's
wheel prints) or with the assembly text for AMD.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What a compiled kernel uses on one target.

    Attributes:
        target: the architecture: "sm_90", "gfx942".
        registers: of a thread (vector registers on AMD).
        spilled: bytes of a thread's registers that live in memory.
        shared: bytes of shared memory of a program.
        instructions: how many, all in all, without those that only fill up the last line.
        tensor: how many of them are tensor-core instructions, by their name: {"HGMMA": 8}.
        loads: global loads by their width in bits: {128: 5}; copies to shared memory count.
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

    @property
    def wide_bits(self) -> int:
        """Bits that a wide access moves for each lane: all lanes together move 512 bytes.

        NVIDIA has 32 lanes in a warp, AMD 64.
        """
        return 64 if self.target.startswith("gfx") else 128

    @property
    def wide(self) -> float:
        """The share of the bytes in the listed loads and stores that move `wide_bits` or more at once.

        An instruction in a loop counts once, as it stands in the listing.
        """
        moved = [*self.loads.items(), *self.stores.items()]
        wide = sum(width * count for width, count in moved if width >= self.wide_bits)
        return wide / max(1, sum(width * count for width, count in moved))


NVIDIA_CODE = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", re.M)
"""An instruction in a listing: its address, its predicate where it has one, its name."""

AMD_CODE = re.compile(r"^\t((?:s|v|ds|global|buffer|flat|scratch)_\w+)", re.M)


def read_nvidia(target: str, usage: str, listing: str, shared: int) -> Report:
    """Count in a disassembled binary.

    The stack counts as spilled registers only if something is put there (STL) or fetched (LDL): the
    assembler may reserve one that nothing uses.

    Args:
        target: for which it was compiled.
        usage: what `cuobjdump -res-usage` says.
        listing: what `cuobjdump -sass` says.
        shared: bytes of shared memory, which a launch sets and the binary does not know.
    """
    found = re.findall(r"REG:(\d+) STACK:(\d+)", usage)
    codes = [code for code in NVIDIA_CODE.findall(listing) if code != "NOP"]
    if not found or not codes:
        raise RuntimeError(f"cuobjdump says nothing for {target}: {usage[:200]} {listing[:200]}")
    registers, stack = (max(int(each[n]) for each in found) for n in (0, 1))
    kinds = [code.split(".")[0] for code in codes]
    local = sum(kind in ("LDL", "STL") for kind in kinds)
    return Report(
        target,
        registers=registers,
        spilled=(stack or 4 * local) if local else 0,
        shared=shared,
        instructions=len(kinds),
        tensor={k: kinds.count(k) for k in sorted(set(kinds)) if k.endswith("MMA")},
        loads=_widths(codes, r"(?:LDG|LDGSTS)\.(.+)", _nvidia_width),
        stores=_widths(codes, r"STG\.(.+)", _nvidia_width),
    )


NVIDIA_WIDTHS = {"U8": 8, "S8": 8, "U16": 16, "S16": 16, "64": 64, "128": 128, "256": 256}
"""Bits that an access moves by a modifier in its name; without one it is 32."""


def _nvidia_width(modifiers: str) -> int:
    """Bits that an access moves: "E.128.CONSTANT", "E.U16", "E"."""
    return next((NVIDIA_WIDTHS[each] for each in modifiers.split(".") if each in NVIDIA_WIDTHS), 32)


def read_amd(target: str, text: str, shared: int) -> Report:
    """Count in an assembly text, and read the metadata at its end.

    Args:
        target: for which it was compiled.
        text: the assembly.
        shared: bytes of shared memory.
    """

    def number(name: str) -> int:
        found = re.search(rf"^\s+\.{name}:\s+(\d+)", text, re.M)
        if found is None:
            raise RuntimeError(f"no {name} in the assembly for {target}")
        return int(found[1])

    codes = [code for code in AMD_CODE.findall(text) if code != "s_nop"]
    matrix = sum(code.startswith("v_mfma") for code in codes)
    scratch = sum(code.startswith("scratch_") for code in codes)
    return Report(
        target,
        registers=number("vgpr_count"),
        spilled=(number("private_segment_fixed_size") or 4 * scratch) if scratch else 0,
        shared=shared,
        instructions=len(codes),
        tensor={"v_mfma": matrix} if matrix else {},
        loads=_widths(codes, r"(?:global|buffer)_load_(\w+)", _amd_width),
        stores=_widths(codes, r"(?:global|buffer)_store_(\w+)", _amd_width),
    )


def _amd_width(name: str) -> int:
    """Bits that an access moves: "dwordx4", "ushort", "short_d16_hi", "ubyte"."""
    kind = name.split("_")[0]
    if kind.startswith("dword"):
        return 32 * int(kind.removeprefix("dwordx") if "x" in kind else 1)
    return 8 if kind.endswith("byte") else 16


def _widths(codes: list[str], pattern: str, width: Callable[[str], int]) -> dict[int, int]:
    """Count the memory accesses among some instructions by their width in bits."""
    found = [width(match[1]) for code in codes if (match := re.fullmatch(pattern, code))]
    return {each: found.count(each) for each in sorted(set(found))}
