"""SentencePiece: the `.model` file, its normaliser, and what encodes with them.

One file holds everything that a text passes on its way to ids: how it is normalised, the pieces
with their scores, and how the model was trained. Read in this order:

    protobuf.py     the wire format: how numbers, strings and messages become bytes
    messages.py     from a table of fields to a message and back
    model_file.py   the messages of a `.model` file; reading, checking and writing one
    double_array.py a trie of byte strings in one flat row of numbers
    charsmap.py     the precompiled replacement rules: such a trie, and its replacements
    unicode_rules.py  the rules of NFKC, made from Python's tables, for a new model
    user_symbols.py   strings that are found before any rule
    normalizer.py   a text to the form that the pieces are cut from, with U+2581 for spaces
    bpe.py          SentencePiece's BPE models (unigram models: tokenizers_py/unigram.py)
    unigram_words.py  unigram models, word by word; unigram_texts.py: for many texts at once
    processor.py    SentencePieceProcessor: all of it together, with upstream's calls
    upstream_names.py  the other names of these calls

Upstream: google/sentencepiece 0.2.3.
"""
