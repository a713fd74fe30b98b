"""Guesses the encoding of a text that is not Unicode, from the words that tell most about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

TABLES = {
    "cp1252": 1.0, "cp1250": 0.8, "cp1251": 0.8, "koi8_r": 0.5, "cp1254": 0.7, "cp1253": 0.7,
    "cp1257": 0.7, "cp1255": 0.7, "cp1256": 0.7, "iso8859_2": 0.4, "iso8859_5": 0.4,
    "iso8859_7": 0.4, "mac_roman": 0.2, "cp850": 0.2, "cp852": 0.2, "cp866": 0.2,
    "gb18030": 0.7, "cp932": 0.7, "big5hkscs": 0.7, "euc_jp": 0.5, "cp949": 0.7,
}  # fmt: skip
"""The codecs of tables. Each has what counts before a letter is seen, as much as one letter."""

NAMES = {
    "cp437": 1.0, "cp850": 0.9, "cp852": 0.8, "cp866": 0.8, "cp737": 0.7, "cp857": 0.7,
    "cp862": 0.7, "gb18030": 0.7, "cp932": 0.7, "big5hkscs": 0.7, "cp949": 0.7, "cp1252": 0.5,
    "cp1251": 0.5, "cp1250": 0.5, "cp1253": 0.4, "cp1254": 0.4, "koi8_r": 0.2,
}  # fmt: skip
"""Those of names in zips: Windows writes them in the code page of DOS."""

_SEVERAL_BYTES = ("gb18030", "cp932", "big5hkscs", "euc_jp", "cp949")

FALLBACK = next(iter(TABLES))
"""What is taken where nothing tells."""

_MOST_ODD = 20
"""Of so many words, one may hold bytes that its encoding does not have."""

_ENOUGH = 8192
"""So many characters are weighed."""


class _Language(NamedTuple):
    encodings: tuple[str, ...]
    letters: str  # those outside of ASCII, the frequent ones before the bar
    alone: str = ""  # the letters that are words, or units behind a number
    mixed: bool = True  # its words have letters of ASCII too


_LATIN_1 = ("cp1252", "mac_roman", "cp437", "cp850")
_LATIN_2 = ("cp1250", "iso8859_2", "cp852")
_CYRILLIC = ("cp1251", "koi8_r", "iso8859_5", "cp866")
_LANGUAGES = (
    _Language((*_LATIN_1, *_LATIN_2, "cp1254", "cp1257"), "äöüß|é"),
    _Language((*_LATIN_1, "cp1254"), "éèàê|çâîôùûëïœ", "à"),
    _Language((*_LATIN_1, "cp1254"), "áéíóñ|úü", "ó"),
    _Language((*_LATIN_1,), "ãçáéíó|õâêúàô", "éàóá"),
    _Language((*_LATIN_1, "cp1254"), "àèìòù|é", "èàò"),
    _Language((*_LATIN_1, "cp1254"), "åäö|é", "åö"),
    _Language((*_LATIN_1, "cp1257"), "æøå|éö", "åø"),
    _Language((*_LATIN_1,), "áíðþæöéóúý|", "áí"),
    _Language(_LATIN_2, "łóżąęś|ćńź", "ó"),
    _Language(_LATIN_2, "áíéěčřýžůš|úťďňó"),
    _Language(_LATIN_2, "áíéčžýšľúť|ôňóďäŕĺ"),
    _Language(_LATIN_2, "áéöőíóüúű|", "ő"),
    _Language(_LATIN_2, "šžčćđ|"),
    _Language(_LATIN_2, "ăîâşţ|"),
    _Language(("cp1254", "cp857"), "ıüşçğöİ|âî"),
    _Language(("cp1257",), "ėšųžčįūąę|"),
    _Language(("cp1257",), "āēīšūņļž|čķģ"),
    _Language(("cp1257",), "äõöü|šž"),
    _Language(_CYRILLIC, "оеаинтсрвлк|мдпуяыьгзбчйхжшюцщэфъё", "авиксоуялгмхр", False),
    _Language(
        ("cp1251", "iso8859_5"), "оаинтіверсклу|мдпьяязбгйчхцжюшїєщфґ", "авзійоуяєлгмх", False
    ),
    _Language(
        ("cp1253", "iso8859_7", "cp737"), "αοιετσνηυρπκ|μλςωάίόέήγδθχύφβώξζψϊΐϋΰ", "ηοήώ", False
    ),
    _Language(("cp1255", "cp862"), "יוהלאתמרבשנםכ|פקדחעגסצטןזךףץ", "", False),
    _Language(("cp1256",), "اليمنترةبسدكع|فحقجشهصطخذزضغثءأإؤئىآظ", "و", False),
)

_APART = frozenset("€£¥¢×±§№")  # noqa: RUF001
"""Signs that no letter touches."""

_COUNTED = frozenset("°º¹²³½¼¾\u00b5")
"""Signs that stand behind a number or a unit, or for a number."""

_SIGNS = _APART | _COUNTED | frozenset("–—‘’“”„«»‹›…•·©®™´¿¡\u00a0")  # noqa: RUF001

_MONEY = frozenset(("kč", "kčs", "zł", "руб", "рублей", "грн", "лв", "дин", "ден", "тг"))  # noqa: RUF001
"""Words that may be the only ones outside of ASCII in a file; each tells its encoding."""

_TOKEN = re.compile("[0-9A-Za-z'\x80-\U0010ffff]+")
_NUMBER = re.compile("[0-9]+")
_LETTERS = re.compile(r"[^\W\d_]+")

_COMMON = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小"
    "么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民"
    "样现分将外但身些与高意进把法此实回二理美点月明其种声全工色红蓝黑白绿黄紫灰粉金银件套男女童鞋衣裤裙帽包"
    "衬衫羊毛皮带夏冬春秋季码号标题图片名称价格商品编类颜尺寸描述品牌库存"
    "這來個到說們為時會過學對後麼沒於還發當開見經頭從動兩長樣現將與進實種聲紅藍綠黃銀裡點國標題圖價編類顏鞋"
    "褲襯衫牛仔連號碼稱庫運動"
    "日本人大年中出会国生上見行分間前手合気方言時思事者社物自分場色赤青黒白紺緑茶商品名番価格税込画像説明在庫"
    "革綿毛靴服帽子夏冬春秋用型式"
)
"""Characters that are frequent in Chinese and Japanese texts, and in those of shops."""


def guess(words: Sequence[bytes], usual: Mapping[str, float] = TABLES) -> str:
    """Return the codec that reads these words best, each of which is not ASCII.

    ``usual`` has the codecs that are tried; of those that read the same, the first is taken.
    """
    possible = [e for e in usual if _failures(words, e) * _MOST_ODD <= len(words)]
    distinct = list(dict.fromkeys(words))
    clean = [w for w in distinct if not any(_failures([w], e) for e in possible)] or distinct
    if not possible or not clean:
        return next(iter(usual))
    texts = {e: _contexts(clean, e) for e in possible}
    return max(texts, key=lambda e: _likeness(texts[e], e, usual[e]))


def _contexts(words: Iterable[bytes], encoding: str) -> list[str]:
    """Return what stands between blanks and punctuation, each but once, numbers as zeros.

    A thousand prices tell no more than one: the sign beside the number is the same.
    """
    text = " ".join(word.decode(encoding, "replace") for word in words)
    contexts: dict[str, None] = {}
    size = 0
    for token in _TOKEN.findall(text):
        if token.isascii() or (context := _NUMBER.sub("0", token)) in contexts:
            continue
        contexts[context] = None
        size += len(context)
        if size > _ENOUGH:
            break
    return list(contexts)


def _failures(words: Iterable[bytes], encoding: str) -> int:
    failures = 0
    for word in words:
        try:
            word.decode(encoding)
        except UnicodeDecodeError:
            failures += 1
    return failures


def _likeness(texts: Sequence[str], encoding: str, prior: float) -> float:
    """Return how well the characters fit the best of the languages that use this encoding."""
    if encoding in _SEVERAL_BYTES:
        # A text of another encoding has words whose bytes do not pair up.
        return _ideographs(texts, encoding, prior) + min(0.5, 0.04 * len(texts))
    languages = [language for language in _LANGUAGES if encoding in language.encodings]
    return max(_fit(texts, language, prior) for language in languages)


def _ideographs(texts: Iterable[str], encoding: str, prior: float) -> float:
    """Return how common the characters are: kana and Hangul, frequent ideographs, others."""
    total, count = prior, 1
    text = " ".join(texts)
    for before, char, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if char <= "\x7f":
            continue
        count += 1
        glued = "a" <= before <= "z" or "a" <= after <= "z"
        if glued and char.encode(encoding, "replace")[-1] < 0x80:
            total -= 0.5  # half of it is a letter of a Latin word
        elif encoding == "cp949":
            common = "가" <= char <= "힣" and char.encode(encoding)[1] > 0xA0
            total += 0.9 if common else 0.1
        elif "\u3040" <= char <= "\u30ff":
            total += 0.9 if encoding in ("cp932", "euc_jp") else 0.1
        elif char in _COMMON:
            total += 1.0
        elif "\uff00" <= char <= "\uff60" or "\u3000" <= char <= "\u303f":
            total += 0.5
        elif "\u4e00" <= char <= "\u9fff":
            total += 0.5 if _is_frequent(char.encode(encoding), encoding) else 0.1
    return total / count


def _is_frequent(raw: bytes, encoding: str) -> bool:
    """Tell whether an ideograph is in the first part of its table, which has the frequent ones."""
    first, last = {
        "gb18030": (0xB0, 0xD7), "cp932": (0x88, 0x97), "big5hkscs": (0xA4, 0xC6),
        "euc_jp": (0xB0, 0xCF),
    }[encoding]  # fmt: skip
    return len(raw) == 2 and first <= raw[0] <= last and (encoding != "gb18030" or raw[1] > 0xA0)


def _fit(texts: Iterable[str], language: _Language, prior: float) -> float:
    frequent, _, rare = language.letters.partition("|")
    # An alphabet that is all outside of ASCII has a letter at nearly every code: how frequent the
    # letters are tells more.
    rarely = 0.7 if language.mixed else 0.4
    total, count = prior, 1
    for text in texts:
        is_money = any(word in _MONEY for word in _LETTERS.findall(text.lower()))
        before = " "
        for char, after in zip(text, f"{text[1:]} ", strict=True):
            if char > "\x7f":
                small = char if char in frequent else char.lower()
                count += 1
                if char in _SIGNS:
                    total += 1.0 if _is_in_place(before, char, after) else -0.5
                elif is_money:
                    total += 2.0
                elif _jars(before, char, after, language):
                    total -= 0.5
                elif small in frequent:
                    total += 1.0
                elif small in rare:
                    total += rarely
                else:
                    total -= 0.5
            before = char
    return total / count


def _is_in_place(before: str, sign: str, after: str) -> bool:
    """Tell whether a sign stands where one does, and not where a letter would."""
    follows, goes_on = before.isalpha(), after.isalpha()
    if sign in _COUNTED:
        return before == "0" or (not goes_on and before in " mMnN")
    if sign in _APART:
        return not follows and not goes_on
    if sign in "®™":
        return not goes_on
    if sign in "¿¡":
        return not follows
    return sign in "\u2019\u00a0" or not (follows and goes_on)


def _jars(before: str, char: str, after: str, language: _Language) -> bool:
    """Tell whether a letter seldom stands there: `aŽ`, `fй`, `10Ł`, or alone."""
    if not char.isalpha():
        return False
    if before.islower() and char.isupper():
        return True
    follows, goes_on = before.isalpha(), after.isalpha()
    if not follows and not goes_on:
        return char.lower() not in language.alone or after == "0"
    if language.mixed:
        return before == "0"
    return (follows and before.isascii()) or (goes_on and after.isascii())
