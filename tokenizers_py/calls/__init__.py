"""What every model's tokenizer shares: the calls of Transformers, around any algorithm.

Read in the order a call takes: tokenizer.py (the call), text_inputs.py (what it is given), plan.py
(its options), segments.py with added_tokens.py (one text to ids or pieces), truncation.py (cut),
template.py (special tokens around), columns.py and batching.py (pad, make arrays), encoding.py
(what comes out), decoding.py (the way back). token_table.py and special_tokens.py hold the
vocabulary; explain.py shows every step.
"""
