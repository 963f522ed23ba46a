"""A micro-benchmark of each kernel: compared first, then timed beside torch's best alternatives.

`python -m bench.gpu` runs them all (run.py); each file named after a kernel states its cases, its
rivals, and bytes and FLOPs as formulas. Read in this order: cases.py, layer_norm.py, measure.py,
ceilings.py, goals.py, results.py, run.py.
"""
