"""The models as pure functions over (ops, cfg, params, inputs): the textbook.

Read in order: interface.py (what an operation is), encoder.py (the blocks every tower is made
of), clip.py (the two towers and what joins them), beside it siglip.py and chinese_clip.py;
losses.py, chunked_losses.py.
"""
