"""Tokenizers in folders, as the hub lays them out, of Transformers 4 or 5.

Read: pretrained.py (from_pretrained, save_pretrained), reading.py (what lies in a folder), tokens.py
(special and added tokens from the five places that name them), tokenizer_json.py (the one file that
holds all), agreement.py (files that contradict each other), writing.py; hub.py fetches a folder.
"""
