"""Dates as people write them, in more than a hundred languages, and the same in ISO 8601."""

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
FIELD = re.compile(r"%\((\w+)\)s")  # in a template of Babel's, such as "%(d)s %(MMMM)s %(y)s"
WEEKDAYS = {"E", "EEE", "EEEE", "ccc", "cccc"}
MONTHS = {"M", "MM", "MMM", "MMMM"}
NUMBERS = {"y": "{y}", "d": "{d}", "dd": "{d:02}"}
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)


def written_dates() -> tuple[Written, Written]:
    """What date is it? (texts, dates, languages) to learn from, and dates to be tested on that are not in it.

    Of every format 240 texts are to learn from and 5 to be tested on, as `normalised` leaves them, in an order
    that is always the same, with their dates in ISO 8601, such as 2021-03-03, and the code of a language, such as
    fr. A tenth of all days is kept for the test: none of these is in the other part in any format. The days are
    those of the hundred years around 2000, 1950 to 2049, in which most dates lie that people write.

    A format has a four-digit year, and names its month or else goes from year to month to day. Left out are

        two-digit years; years without a day; eras
        numbers in any other order: where 03/04/2021 is in March and where in April, the text does not tell
        texts that mean two dates, such as 2021 jan 3, which is in June for the Sotho

    A month that is called by its number (2021年3月3日, 3 tháng 3, 2021) has a name in this sense. Calendars are
    Gregorian, digits Latin, as Babel writes them. The languages are those that are official in some country or
    part of one and in which Babel knows the months, with all their regions and scripts: 153 with Babel 2.19. A
    format of several languages is counted once, for the first of them.

    Source: the Unicode Common Locale Data Repository, as it comes with Babel. Licence: the Unicode License of
    the data (Unicode-3.0), BSD-3 of Babel.

    >>> (texts, dates, languages), (unseen, answers, _) = written_dates()
    >>> len(set(languages)) > 150, len(texts) > 200_000, set(dates) & set(answers)
    (True, True, set())
    >>> [(text, date) for text, date, language in zip(texts, dates, languages) if language == "mi"][0]
    (...)
    """
    forms = formats()
    unclear = ambiguous(forms)
    rng = np.random.default_rng(0)
    days = [FIRST + datetime.timedelta(i) for i in rng.permutation((LAST - FIRST).days + 1).tolist()]
    tenth = len(days) // 10

    def part(days: list[datetime.date], count: int) -> Written:
        found = {}
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
    """A text without what does not matter, as people type it: capitals, invisible marks, kinds of spaces.

    Compatible characters are one (Unicode's NFKC), the digits of all scripts are 0 ... 9, marks of direction and
    joiners are gone, and any white space is one space, at the ends none.

    >>> normalised(" Mercredi 3\\u202fMARS  2021"), normalised("۳ مارس ۲۰۲۱"), normalised("２０２１年３月３日")
    ('mercredi 3 mars 2021', '3 مارس 2021', '2021年3月3日')
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (char for char in text if unicodedata.category(char) != "Cf")
    return " ".join("".join(str(unicodedata.decimal(char, char)) for char in kept).split())


def formats() -> dict[Format, str]:
    """The formats, and of each the first language that has it.

    A format is its texts of January ... December, or of Monday in January ... December, ..., Sunday in December,
    with {d} or {d:02} for the day and {y} for the year.

    >>> english = {form[2] for form, language in formats().items() if language == "en"}
    >>> sorted({"march {d}, {y}", "{d} mar {y}", "monday, {d} march {y}", "{d:02}/03/{y}"} & english)
    ['march {d}, {y}', 'monday, {d} march {y}', '{d} mar {y}']
    """
    shipped("babel", "locale-data")
    from babel import Locale, core, languages, localedata
    from babel.dates import DateTimeFormat

    official = {
        language.partition("_")[0]
        for territory in core.get_global("territory_languages")
        for language in languages.get_official_languages(territory, regional=True, de_facto=True)
    } - {"no"}  # Norwegian, whose dates are those of nb
    week = [datetime.date(2021, 3, day) for day in range(1, 8)]  # from a Monday on
    year = [datetime.date(2021, month, 1) for month in range(1, 13)]

    spelt: dict[tuple[str, Format, Format], str] = {}  # regions often share all of it: filled in once
    for name in sorted(localedata.locale_identifiers()):
        locale = Locale.parse(name)
        if locale.language not in official or locale.months["format"]["wide"][1] == "M01":  # has no names
            continue
        for pattern in (*locale.date_formats.values(), *locale.datetime_skeletons.values()):
            fields = FIELD.findall(pattern.format)
            kinds = "".join(sorted(field[0] for field in fields))
            if kinds in ("Mdy", "EMdy", "Mcdy") and set(fields) <= WEEKDAYS | MONTHS | NUMBERS.keys():
                weekdays = tuple(DateTimeFormat(day, locale)[f] for f in fields if f in WEEKDAYS for day in week)
                months = tuple(DateTimeFormat(day, locale)[f] for f in fields if f in MONTHS for day in year)
                if decidable(fields, months):
                    spelt.setdefault((pattern.format, weekdays, months), locale.language)
    found: dict[Format, str] = {}
    for spelling, language in spelt.items():
        found.setdefault(filled(*spelling), language)
    return found


def ambiguous(forms: Iterable[Format]) -> set[str]:
    """The texts with {d} and {y} that stand for two months, in whichever formats.

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
    """A text in which days of two digits are as others: from the 10th on they look the same."""
    return text.replace("{d:02}", "{d}")


def decidable(fields: list[str], months: Format) -> bool:
    """Whether one can tell day and month apart: the months have letters, or it goes year, month, day.

    >>> digits = tuple("01 02 03 04 05 06 07 08 09 10 11 12".split())
    >>> decidable(["E", "y", "MM", "dd"], digits), decidable(["dd", "MM", "y"], digits)
    (True, False)
    """
    named = all(any(char.isalpha() for char in name) for name in months)
    return named or [field[0] for field in fields if field not in WEEKDAYS] == ["y", "M", "d"]


def filled(template: str, weekdays: Format, months: Format) -> Format:
    """A template of Babel's with these names in it.

    >>> months = tuple("jan feb mar apr maj jun jul aug sep okt nov dec".split())
    >>> filled("%(dd)s %(MMM)s %(y)s", (), months)[2]
    '{d:02} mar {y}'
    """
    return tuple(
        normalised(template % (NUMBERS | dict.fromkeys(WEEKDAYS, weekday) | dict.fromkeys(MONTHS, month)))
        for weekday in weekdays or ("",)
        for month in months
    )
