"""Dates as people write them in more than a hundred languages, and the same dates in ISO 8601."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from tinygrad_seq.data.shipped import shipped

Written = tuple[list[str], list[str], list[str]]
Format = tuple[str, ...]
FIELD = re.compile(r"%\((\w+)\)s")  # in a Babel template, such as "%(d)s %(MMMM)s %(y)s"
WEEKDAYS = {"E", "EEE", "EEEE", "ccc", "cccc"}
MONTHS = {"M", "MM", "MMM", "MMMM"}
NUMBERS = {"y": "{y}", "d": "{d}", "dd": "{d:02}"}
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)


def written_dates() -> tuple[Written, Written]:
    """Which date is it? (texts, dates, languages) for training, and the same of other days for testing.

    Texts are normalised by `normalised`; dates are in ISO 8601, such as 2021-03-03; languages are codes such as
    fr. Up to 240 texts of each format are for training and up to 5 for testing. No text occurs twice, and the
    order is always the same. A tenth of all days is kept for testing; none of these days occurs in the training
    part, in any format. The days are those of 1950 to 2049, the hundred years to which most written dates
    belong.

    A format has a four-digit year, and either names its month or has the order year, month, day. Left out are

        eras; two-digit years; years without a day
        numbers in any other order: 03/04/2021 may be in March or in April
        texts that mean two dates, such as 2021 jan 3, which is in June in Sotho

    A month that is a number with a word (3 tháng 3, 2021) counts as named. Calendars are Gregorian and digits
    are Latin, as Babel writes them. The languages are those that are official in a country or a part of one,
    and whose month names Babel has, with all their regions and scripts: 153 with Babel 2.19. A text that
    several languages share is counted once, for the first of them.

    Source: the Unicode Common Locale Data Repository, as contained in Babel. Licence of the data: Unicode-3.0;
    of Babel: BSD-3.

    >>> (texts, dates, languages), (unseen, answers, _) = written_dates()
    >>> len(set(languages)), set(dates) & set(answers)
    (153, set())
    >>> for place in map(languages.index, ("ar", "fi", "ja")):
    ...     print(texts[place], "is", dates[place])
    30 أكتوبر 1970 is 1970-10-30
    keskiviikko 19. helmikuuta 1997 is 1997-02-19
    1994年2月22日(火) is 1994-02-22
    """
    forms = formats()
    unclear = ambiguous(forms)
    rng = np.random.default_rng(0)
    days = [FIRST + datetime.timedelta(i) for i in rng.permutation((LAST - FIRST).days + 1).tolist()]
    tenth = len(days) // 10

    def part(days: list[datetime.date], count: int) -> Written:
        found: dict[str, tuple[str, str]] = {}
        for form, language in forms.items():
            for i in rng.integers(len(days), size=count):
                day = days[i]
                text = form[(12 * day.weekday() + day.month - 1) % len(form)]
                if shape(text) not in unclear:
                    found.setdefault(text.format(d=day.day, y=day.year), (day.isoformat(), language))
        rows = list(found.items())
        rows = [rows[i] for i in rng.permutation(len(rows))]
        return [text for text, _ in rows], [date for _, (date, _) in rows], [of for _, (_, of) in rows]

    return part(days[tenth:], 240), part(days[:tenth], 5)


def normalised(text: str) -> str:
    """A text without differences that depend on the keyboard: capitals, invisible marks, kinds of spaces.

    Compatible characters become one (Unicode NFKC), letters are casefolded, digits of all scripts become Latin,
    and white space becomes a single space, none at the ends. Direction marks and joiners are removed.

    >>> normalised(" Mercredi 3\\u202fMARS  2021"), normalised("۳ مارس ۲۰۲۱"), normalised("２０２１年３月３日")
    ('mercredi 3 mars 2021', '3 مارس 2021', '2021年3月3日')
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (char for char in text if unicodedata.category(char) != "Cf")
    return " ".join("".join(str(unicodedata.decimal(char, char)) for char in kept).split())


def formats() -> dict[Format, str]:
    """All formats, each with the first language that has it.

    A format is a tuple of texts, with {d} or {d:02} for the day and {y} for the year: one text for each of
    January ... December; or, if it has the weekday, these 12 texts for Monday, then for Tuesday, ..., then for
    Sunday.

    >>> english = {form[2] for form, language in formats().items() if language == "en"}
    >>> sorted({"march {d}, {y}", "{d} mar {y}", "monday, {d} march {y}", "{d:02}/03/{y}"} & english)
    ['march {d}, {y}', 'monday, {d} march {y}', '{d} mar {y}']
    """
    shipped("babel", "locale-data")
    from babel import Locale, core, languages, localedata
    from babel.dates import DateTimeFormat as Names

    official = {
        language.partition("_")[0]
        for territory in core.get_global("territory_languages")
        for language in languages.get_official_languages(territory, regional=True, de_facto=True)
    }
    week = [datetime.date(2021, 3, day) for day in range(1, 8)]  # starts on a Monday
    year = [datetime.date(2021, month, 1) for month in range(1, 13)]

    spelt: dict[tuple[str, Format, Format], str] = {}  # regions often share all three: formatted only once
    for name in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(name)
        if locale.language not in official or locale.months["format"]["wide"][1] == "M01":  # has no names
            continue
        for pattern in (*locale.date_formats.values(), *locale.datetime_skeletons.values()):
            fields = FIELD.findall(pattern.format)
            kinds = "".join(sorted(field[0] for field in fields))
            if kinds in ("Mdy", "EMdy", "Mcdy") and set(fields) <= WEEKDAYS | MONTHS | NUMBERS.keys():
                weekdays = tuple(Names(day, locale)[f] for f in fields if f in WEEKDAYS for day in week)
                months = tuple(Names(day, locale)[f] for f in fields if f in MONTHS for day in year)
                if decidable(fields, months):
                    spelt.setdefault((pattern.format, weekdays, months), locale.language)
    found: dict[Format, str] = {}
    for spelling, language in spelt.items():
        found.setdefault(filled(*spelling), language)
    return found


def ambiguous(forms: Iterable[Format]) -> set[str]:
    """The texts with {d} and {y} that stand for more than one month, in any of the formats.

    >>> winter, summer = ("{d} jan {y}", "{d} feb {y}"), ("{d} phe {y}", "{d:02} jan {y}")
    >>> ambiguous([winter, summer])
    {'{d} jan {y}'}
    """
    months = defaultdict(set)
    for form in forms:
        for place, text in enumerate(form):
            months[shape(text)].add(place % 12)
    return {text for text, found in months.items() if len(found) > 1}


def shape(text: str) -> str:
    """A text with {d} in place of {d:02}: from the 10th on, both give the same text."""
    return text.replace("{d:02}", "{d}")


def decidable(fields: list[str], months: Format) -> bool:
    """Whether day and month can be told apart: the months contain letters, or the order is year, month, day.

    >>> digits = tuple("01 02 03 04 05 06 07 08 09 10 11 12".split())
    >>> decidable(["E", "y", "MM", "dd"], digits), decidable(["dd", "MM", "y"], digits)
    (True, False)
    """
    named = all(any(char.isalpha() for char in name) for name in months)
    return named or [field[0] for field in fields if field not in WEEKDAYS] == ["y", "M", "d"]


def filled(template: str, weekdays: Format, months: Format) -> Format:
    """A Babel template filled with these names: one text for each weekday and month.

    >>> months = tuple("jan feb mar apr maj jun jul aug sep okt nov dec".split())
    >>> filled("%(dd)s %(MMM)s %(y)s", (), months)[2]
    '{d:02} mar {y}'
    """
    return tuple(
        normalised(template % (NUMBERS | dict.fromkeys(WEEKDAYS, weekday) | dict.fromkeys(MONTHS, month)))
        for weekday in weekdays or ("",)
        for month in months
    )
