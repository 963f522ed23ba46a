r"""Where the Unicode of the `tokenizers` library is older or newer than Python's.

Unicode grows every year, and each library keeps the tables of the year it was built. The library
behind Transformers 5 (`tokenizers` 0.23.3) mixes three: its normal forms know Unicode 9, its
regular expressions (\p{L}, \p{N}, \w) Unicode 16, its lower case Unicode 17. Python and the `regex`
package know what they were released with. On the characters between, ids differ. So the profiles
that follow Transformers 5 take the classes, the lower case and the normal forms from here; a test
holds them against the library on every code point.
Used by normalization.py, pre_tokenization.py, calls/added_tokens.py and other models' tokenizers.
"""

import re

# Letters and numbers of Unicode 15 to 16, which an older `regex` does not know yet.
_LETTERS_SINCE_15 = """
1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D4A-10D65 10D6F-10D85 10EC2-10EC4 1123F-11240
11380-11389 1138B 1138E 11390-113B5 113B7 113D1 113D3 11BC0-11BE0 11F02 11F04-11F10 11F12-11F33
1342F 13441-13446 13460-143FA 16100-1611D 16D40-16D6C 18CFF 1B132 1B155 1DF25-1DF2A 1E030-1E06D
1E4D0-1E4EB 1E5D0-1E5ED 1E5F0 2B739 2EBF0-2EE5D 31350-323AF"""
_NUMBERS_SINCE_15 = """
10D40-10D49 116D0-116E3 11BF0-11BF9 11F50-11F59 16130-16139 16D70-16D79 1CCF0-1CCF9 1D2C0-1D2D3
1E4F0-1E4F9 1E5F1-1E5FA"""
# Letters and numbers of Unicode 17 and 18, which the library does not know yet.
_LETTERS_SINCE_17 = """
0558 058B-058C 088F 0C5C 0CDC 208F 209D-209F A7CE-A7CF A7D2 A7D4 A7DD A7E2 A7F1 AB6C-AB6D
107BB-107BF 10940-10959 10EC5-10EC7 10ED9-10EEE 11B0A 11DB0-11DDB 11DF1 16EA0-16EB8 16EBB-16ED3
16FF2-16FF3 187F8-187FF 18CD6-18CDA 18D09-18D20 18D80-18DF2 18E00-19191 191A0-191D2 1B123-1B128
1B168 1D6A6 1DF1F-1DF24 1DF2B-1DF81 1DF90-1DF96 1DFCD-1DFFF 1E6C0-1E6DE 1E6E0-1E6E2 1E6E4-1E6E5
1E6E7-1E6ED 1E6F0-1E6F4 1E6FE-1E6FF 2B73A-2B73F 2B81E 2CEA2-2CEAD 323B0-33479 3D000-3FC3F"""
_NUMBERS_SINCE_17 = "11DE0-11DE9 1246F 12475-1247F 12550-12686 16FF4-16FF6"
# What else stands inside words (marks, for the most part): of Unicode 15 to 16, and later.
_MARKS_SINCE_15 = """
0897 0CF3 0ECE 10D69-10D6D 10EFC-10EFF 11241 113B8-113C0 113C2 113C5 113C7-113CA 113CC-113D0
113D2 113E1-113E2 11F00-11F01 11F03 11F34-11F3A 11F3E-11F42 11F5A 13440 13447-13455 1611E-1612F
1E08F 1E4EC-1E4EF 1E5EE-1E5EF"""
_MARKS_SINCE_17 = """
05C8-05C9 0B53-0B54 1ACF-1AF0 10ECB-10ECF 10EF0-10EFB 11B60-11B67 11DF0 1D127-1D128 1D250-1D252
1D25B-1D25C 1D25F 1D280-1D281 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5"""
_NO_DIGITS = "1D2C0-1D2D3"  # numbers since 15 that do not stand inside words
# Capitals of Unicode 14 to 17: the first of a row, how many, and the first small letter.
_CAPITALS_SINCE_14 = """
1C89 1 1C8A, 2C2F 1 2C5F, A7C0 1 A7C1, A7CB 1 264, A7CC 1 A7CD, A7CE 1 A7CF, A7D0 1 A7D1,
A7D2 1 A7D3, A7D4 1 A7D5, A7D6 1 A7D7, A7D8 1 A7D9, A7DA 1 A7DB, A7DC 1 19B, 10570 11 10597,
1057C 15 105A3, 1058C 7 105B3, 10594 2 105BB, 10D50 22 10D70, 16EA0 25 16EBB"""
# Characters since Unicode 10 that have a combining class, come apart or go together: to the
# library they are like unassigned ones, which no normal form touches.
_NOT_NORMALIZED = """
05C8-05C9 07FD 0897-089F 08CA-08D3 09FE 0C3C 0D3B-0D3C 0EBA 1715 1ABF-1AF0 1DF6-1DFA A82C 105C9
105D2 105DA 105E4 10D24-10D27 10D69-10D6D 10EAB-10EAC 10ECB-10ECF 10EF0-10EFB 10EFD-10EFF
10F46-10F50 10F82-10F85 11070 1133B 11382-11385 1138B 1138E 11390-11391 113B8 113BB 113C2 113C5
113C7-113C9 113CE-113D0 1145E 11839-1183A 11930 11935 11938 1193D-1193E 11943 119E0 11A34 11A47
11A99 11D42 11D44-11D45 11D97 11F41-11F42 1611E-16129 1612F 16D63 16D67-16D6A 16FF0-16FF1
1D127-1D128 1D250-1D252 1D25B-1D25C 1D25F 1D280-1D281 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF
1E4EC-1E4EF 1E5EE-1E5EF 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5
0558 058B-058C 209D-209F 32FF A7F1-A7F4 AB69 10781-10785 10787-107B0 107B2-107BF 1B123-1B126
1CCD6-1CCF9 1D6A6 1DF95 1DFCD-1DFFF 1E030-1E06D 1F16C 1FBF0-1FBF9"""


def _ranges(table: str) -> str:
    r"""Write a table of code points as the inside of a regular expression's set.

    >>> _ranges("0041-0043 20AC")
    'A-C€'
    """
    return "-".join(
        "".join(chr(int(number, 16)) for number in between.split()) for between in table.split("-")
    )


# Sets for regular expressions of the `regex` package, with its flag V1.
LETTER = rf"[[\p{{L}}{_ranges(_LETTERS_SINCE_15)}]--[{_ranges(_LETTERS_SINCE_17)}]]"
NUMBER = rf"[[\p{{N}}{_ranges(_NUMBERS_SINCE_15)}]--[{_ranges(_NUMBERS_SINCE_17)}]]"
WORD = (
    rf"[[\w{_ranges(_LETTERS_SINCE_15)}{_ranges(_NUMBERS_SINCE_15)}{_ranges(_MARKS_SINCE_15)}]"
    rf"--[{_ranges(_LETTERS_SINCE_17)}{_ranges(_NUMBERS_SINCE_17)}{_ranges(_MARKS_SINCE_17)}"
    rf"{_ranges(_NO_DIGITS)}]]"
)

NOT_NORMALIZED = re.compile(f"[{_ranges(_NOT_NORMALIZED)}]")

_SMALL_LETTERS = {
    int(first, 16) + step: chr(int(small, 16) + step)
    for first, count, small in (row.split() for row in _CAPITALS_SINCE_14.split(","))
    for step in range(int(count))
}


def lower(character: str) -> str:
    """Give the lower case of one character, whatever stands beside it.

    Trap: `str.lower` of a whole text turns a capital sigma at the end of a word into "ς"; the
    library, which goes character by character, always into "σ".

    >>> lower("Σ"), lower("İ"), lower("\U00010d50") == "\U00010d70"
    ('σ', 'i̇', True)
    """
    return _SMALL_LETTERS.get(ord(character)) or character.lower()
