"""What an answer's overlap is counted in: by hand, and pieces of English whose segmentation NLTK's
`word_tokenize` was asked for (version 3.10, with the same rules for a whole piece)."""

import pytest

from erya.metrics.segments import segments, without_punctuation


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("北京大学", ["北", "京", "大", "学"]),
        ("NBA总决赛2016年", ["nba", "总", "决", "赛", "2016", "年"]),
        (" 《红楼梦》（The Dream）。", ["红", "楼", "梦", "the", "dream"]),
        ("1,300万—2.5%", ["1,300", "万", "—", "2.5", "%"]),
        ("龥龦龧", ["龥", "龦龧"]),  # U+9FA5 is the script's last Chinese character
        ("㐂𠮷・カ", ["㐂𠮷・カ"]),  # rare characters and kana are "English" to it
        ("……啊", ["……", "啊"]),  # the script lists this mark as two characters, which equal none
        ("a-b_c:d·e", ["abcde"]),  # dropped, not spaces
        ("", []),
        ("。，", []),
    ],
)
def test_chinese_by_character_and_the_rest_by_word(text, units):
    assert segments(text) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("it's john's don't they'll", ["it", "'s", "john", "'s", "do", "n't", "they", "'ll"]),
        ("cannot gonna d'ye wanna go", ["can", "not", "gon", "na", "d", "'ye", "wan", "na", "go"]),
        ("cannot", ["can", "not"]),
        ("gotta gimme lemme", ["got", "ta", "gim", "me", "lem", "me"]),
        ("wanna", ["wan", "na"]),
        ("'tis 'twas more'n", ["'", "tis", "'", "twas", "more", "'n"]),
        ('"say "hi" (u.s.a.)"', ["``", "say", "``", "hi", "''", "(", "u.s.a", ".", ")", "''"]),
        ("''x'' y's'", ["''", "x", "''", "y's", "'"]),
        ("mr. x, 3,000, and $5.", ["mr.", "x", ",", "3,000", ",", "and", "$", "5", "."]),
        ("a,,3 b,", ["a", ",", ",3", "b", ","]),
        ("wait... what?! 50%@", ["wait", "...", "what", "?", "!", "50", "%", "@"]),
        ("«a» ‘b–c", ["«", "a", "»", "‘", "b", "–", "c"]),
        ("rock 'n' roll", ["rock", "'n", "'", "roll"]),
        ("'abc", ["'", "abc"]),
        ("a.\n", ["a", "."]),
        ("[x]{y}<z>", ["[", "x", "]", "{", "y", "}", "<", "z", ">"]),
    ],
)
def test_english_as_the_penn_treebank_cuts_it(text, units):
    assert segments(text) == units


def test_case_and_punctuation_do_not_count():
    assert without_punctuation(" “A-b”，C！\n") == "abc"
    assert without_punctuation("a b.(c)—") == "a b.(c)—"
