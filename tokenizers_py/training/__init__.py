"""Training: how a vocabulary grows out of a text, for each of the three algorithms.

Read words.py first: what a corpus is to all of them, words and how often each occurs. merging.py
then joins the best pair of neighbours again and again; bpe.py and wordpiece.py are that loop with
two ideas of "best". seed_pieces.py and unigram.py go the other way: from far too many pieces down
to the wanted number, with the counting of lattice.py. sentencepiece_model.py is what SentencePiece
adds to that, and makes the `.model` file; sentencepiece_bpe.py makes one from merges.

Every training is an iterator: each step can be printed, and after the last one the vocabulary can
be saved in files that the upstream library reads. Nothing here is random.
"""
