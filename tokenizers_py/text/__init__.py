"""Text before any algorithm: normalised in small named steps, and cut into words.

Read: alignment.py (the kinds of step, and where each character came from), with composition.py and
comparison.py behind it; then what each model does: normalization.py and pre_tokenization.py (CLIP,
RoBERTa), bert_text.py, siglip_text.py. unicode_tables.py and bert_unicode.py hold where upstream
knows another Unicode than Python.
"""
