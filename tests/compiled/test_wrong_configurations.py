"""The rules can be broken: configurations that are wrong on purpose, each noticed for its reason."""

from dataclasses import replace

import pytest
import triton
import triton.language as tl

from kernels import compiled_table
from kernels.compiled import Configuration, faults, report
from kernels.compiled_table import all_configurations, missing, reports
from kernels.disassembled import Report, read_amd, read_nvidia
from kernels.errors import KernelError

ALL = ("sm_80", "sm_90", "sm_100", "gfx942")


@pytest.fixture(autouse=True)
def kept(cache_folder):
    """Whatever a test compiles goes to the cache of this run."""


def compile_for(configuration, target):
    if (reason := missing(target)) is not None:
        pytest.skip(reason)
    return report(configuration, target)


@triton.jit
def product(
    a_ptr, b_ptr, c_ptr, total, a_stride, b_stride, c_stride,
    M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """One tile of a matrix product."""
    m = tl.program_id(0) * M + tl.arange(0, M)
    n = tl.program_id(1) * N + tl.arange(0, N)
    k = tl.arange(0, K)
    sums = tl.zeros((M, N), tl.float32)
    for start in range(0, total, K):
        a = tl.load(a_ptr + m[:, None] * a_stride + (start + k)[None, :])
        b = tl.load(b_ptr + (start + k)[:, None] * b_stride + n[None, :])
        sums = tl.dot(a, b, sums, input_precision=PRECISION)
    tl.store(c_ptr + m[:, None] * c_stride + n[None, :], sums.to(c_ptr.dtype.element_ty))


def of_a_product(kind, m, n, k, stages=2, precision="ieee", **claims):
    pointers = dict.fromkeys(("a_ptr", "b_ptr", "c_ptr"), f"*{kind}")
    numbers = dict.fromkeys(("total", "a_stride", "b_stride", "c_stride"), "i32")
    constants = {"M": m, "N": n, "K": k, "PRECISION": precision}
    return Configuration(
        f"product {kind} {m}x{n}x{k}", product, pointers | numbers, constants, 4, stages, **claims
    )


def of_a_norm(stride="i32", **constants):
    right = all_configurations()["layer_norm bfloat16 1664"]
    strides = {"x_stride": stride, "y_stride": stride}
    return replace(
        right,
        signature={**right.signature, **strides},
        constants={**right.constants, **constants},
    )


@pytest.mark.parametrize("target", ALL)
def test_a_right_product_and_a_right_norm_have_no_fault(target):
    right = of_a_product("fp16", 64, 64, 64, tensor_cores=True, wide_loads=True)
    assert faults(right, compile_for(right, target)) == []
    assert faults(of_a_norm(), compile_for(of_a_norm(), target)) == []


@pytest.mark.parametrize("target", ALL)
def test_a_row_too_many_for_the_registers_spills(target):
    wrong = replace(of_a_norm(ROWS=16), warps=1)
    found = compile_for(wrong, target)
    assert found.spilled > 500
    assert faults(wrong, found) == [f"{found.spilled} bytes of registers are spilled"]


@pytest.mark.parametrize("target", ALL)
def test_tiles_that_shared_memory_cannot_hold(target):
    wrong = of_a_product("fp16", 128, 64, 64, stages=12)
    assert f"bytes of shared memory; {target} has" in "".join(
        faults(wrong, compile_for(wrong, target))
    )


@pytest.mark.parametrize("target", ALL)
def test_strides_that_nothing_divides_make_narrow_accesses(target):
    wrong = of_a_norm(stride="i32:any")
    (fault,) = faults(wrong, compile_for(wrong, target))
    assert "bits at a time" in fault


@pytest.mark.parametrize("target", ("sm_80", "sm_90", "sm_100"))
def test_exact_float32_cannot_claim_tensor_cores(target):
    wrong = of_a_product("fp32", 64, 64, 16, tensor_cores=True)
    (fault,) = faults(wrong, compile_for(wrong, target))
    assert "among its tensor-core instructions {}" in fault


@pytest.mark.parametrize("target", ("sm_80", "sm_90", "sm_100"))
def test_a_float32_product_that_rounds_to_tf32_without_saying_so(target):
    wrong = of_a_product("fp32", 64, 64, 32, precision="tf32")
    (fault,) = faults(wrong, compile_for(wrong, target))
    assert "float32 goes through tensor cores" in fault
    claimed = replace(wrong, tensor_cores=True)
    assert faults(claimed, compile_for(claimed, target)) == []


@pytest.mark.parametrize("target", ("sm_90", "sm_100"))
def test_tiles_too_low_for_this_generation_use_the_old_instruction(target):
    wrong = of_a_product("fp16", 16, 64, 64, tensor_cores=True)
    (fault,) = faults(wrong, compile_for(wrong, target))
    assert "{'HMMA': " in fault


LISTING = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;    /* 0x00000a00ff017b82 */
                                                             /* 0x000e220000000800 */
        /*0010*/              @!P0 LDG.E.128.CONSTANT R4, desc[UR6][R2.64] ; /* 0x0 */
        /*0020*/              @UP1 LDGSTS.E.BYPASS.LTC128B.64 [R8], desc[UR6][R2.64] ; /* 0x0 */
        /*0030*/                   LDG.E.U16 R4, desc[UR6][R2.64] ; /* 0x0 */
        /*0040*/                   LDG.E.ENL2.256 R4, R8, desc[UR6][R2.64] ; /* 0x0 */
        /*0050*/                   HFMA2.MMA R4, -RZ, RZ, 0, 0 ; /* 0x0 */
        /*0060*/                   HGMMA.64x64x16.F32 R24, gdesc[UR4], !UPT ; /* 0x0 */
        /*0070*/               @P0 STG.E desc[UR6][R2.64], R4 ; /* 0x0 */
        /*0080*/                   EXIT ; /* 0x0 */
        /*0090*/                   NOP; /* 0x0 */
"""


def test_what_a_listing_says():
    found = read_nvidia("sm_90", "  REG:40 STACK:8 SHARED:0", LISTING, 512)
    assert found == Report(
        "sm_90", 40, 0, 512, 9, {"HGMMA": 1}, {16: 1, 64: 1, 128: 1, 256: 1}, {32: 1}
    )
    assert found.wide == (256 + 128) / (256 + 128 + 64 + 16 + 32)


def test_a_stack_counts_where_something_is_put_there():
    used = LISTING.replace("HFMA2.MMA", "STL.64")
    assert read_nvidia("sm_90", "REG:40 STACK:8", used, 0).spilled == 8
    assert read_nvidia("sm_90", "REG:40 STACK:0", used, 0).spilled == 4


def test_a_listing_that_says_nothing_is_an_error():
    with pytest.raises(RuntimeError, match="says nothing for sm_103"):
        read_nvidia("sm_103", "REG:40 STACK:0", "", 0)
    with pytest.raises(RuntimeError, match="no vgpr_count"):
        read_amd("gfx942", "\ts_endpgm\n", 0)


def test_what_an_assembly_text_says():
    text = (
        "\tglobal_load_dwordx4 v[0:3], v0, s[0:1]\n\tbuffer_load_ushort v1, v2, s[4:7], 0 offen\n"
        "\tscratch_store_dword off, v1, off\n\ts_nop 0\n\tv_mfma_f32_32x32x8_f16 a[0:15], v0, v1\n"
        "\tglobal_store_dwordx2 v0, v[1:2], s[0:1]\n\tglobal_store_byte v0, v1, s[0:1]\n"
        "    .private_segment_fixed_size: 12\n    .vgpr_count:     40\n"
    )
    assert read_amd("gfx942", text, 64) == Report(
        "gfx942", 40, 12, 64, 6, {"v_mfma": 1}, {16: 1, 128: 1}, {8: 1, 64: 1}
    )


def test_a_parameter_forgotten_or_unknown_is_an_error():
    right = of_a_norm()
    with pytest.raises(KernelError, match="1664: the kernel's parameters are .* has .*'ROW'"):
        report(of_a_norm(ROW=1), "sm_90")
    less = {name: kind for name, kind in right.signature.items() if name != "rows"}
    with pytest.raises(KernelError, match="1664: the kernel's parameters are"):
        report(replace(right, signature=less), "sm_90")


def test_two_configurations_of_one_name_are_an_error(monkeypatch):
    from kernels import layer_norm

    found = layer_norm.configurations()
    monkeypatch.setattr(layer_norm, "configurations", lambda: [found[0], found[0]])
    with pytest.raises(KernelError, match="layer_norm.py: two configurations are"):
        all_configurations()


def test_what_does_not_compile_is_reported_in_words():
    name = next(iter(all_configurations()))
    assert "ptxas" in reports([(name, "sm_11")], 1)[name, "sm_11"].lower()


def test_a_target_that_is_missing_is_said(monkeypatch):
    def refuse(*_):
        raise RuntimeError("no such processor")

    monkeypatch.setattr(compiled_table, "report", refuse)
    assert "has no sm_90: no such processor" in missing.__wrapped__("sm_90")
