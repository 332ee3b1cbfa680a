"""Speech: the recordings, what is strung together from them, and the energies of their frequency bands."""

import itertools
import string
import wave

import numpy as np
import pytest

from tinygrad_seq import data
from tinygrad_seq.data import shipped, speech

pytestmark = pytest.mark.host("speech is NumPy's arrays, wherever tensors live")


def test_the_recordings_are_those_of_the_package():
    voices = data.spoken_characters()
    assert "".join(voices) == string.digits + string.ascii_uppercase
    for character, samples in voices.items():
        with wave.open(str(shipped.shipped("captcha", f"data/{character}/default.wav"))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 1)
            raw = file.readframes(file.getnframes())
        assert samples.dtype == np.float32
        assert [round(128 * x) + 128 for x in samples.tolist()] == list(raw)
        assert 0.2 < len(samples) / speech.RATE < 0.81


ONES = {"a": np.ones(2000, np.float32), "b": -np.ones(1000, np.float32)}  # easily found in an utterance


def spoken(text, seed):
    """Where the words of an utterance are, (sign, beginning, end, volume), and the noise of its silence."""
    samples = data.utterance(ONES, text, rng=seed)
    signs = np.where(np.abs(samples) > 0.15, np.sign(samples), 0)
    edges = [0, *(np.flatnonzero(np.diff(signs)) + 1).tolist(), len(signs)]
    parts = [(signs[i], i, j, np.abs(samples[i:j].mean())) for i, j in itertools.pairwise(edges)]
    return [part for part in parts if part[0]], samples[signs == 0].std(), len(samples)


def test_an_utterance_is_its_words_in_order_with_silence_around_them():
    found, noises, gaps = [], [], []
    for seed in range(60):
        words, noise, end = spoken("aab", seed)
        assert [sign for sign, *_ in words] == [1, 1, -1]
        found += [((j - i) / n, volume) for (_, i, j, volume), n in zip(words, (2000, 2000, 1000), strict=True)]
        gaps += np.subtract([i for _, i, *_ in words] + [end], [0] + [j for _, _, j, _ in words]).tolist()
        noises.append(noise)
    speeds, volumes = zip(*found, strict=True)
    for values, least, most in [
        (speeds, 0.8, 1.25),
        (volumes, 0.3, 1),
        (noises, 0.002, 0.02),
        (gaps, 160, 2000),
    ]:
        assert least * 0.98 <= min(values) < least + 0.1 * (most - least)
        assert most - 0.1 * (most - least) < max(values) <= most * 1.02


def test_a_faster_word_has_a_higher_pitch():
    tone = {"a": np.sin(2 * np.pi * 500 * np.arange(8000) / speech.RATE)}
    for seed in range(5):
        samples = data.utterance(tone, "a", rng=seed)
        loud = np.flatnonzero(np.abs(samples) > 0.15)
        crossings = np.sum(np.diff(np.sign(samples[loud[0] : loud[-1]])) > 0)
        assert abs(crossings - 500) < 12  # as many waves, in another time


def test_the_same_seed_says_the_same():
    assert data.utterance(ONES, "ab", rng=3).tobytes() == data.utterance(ONES, "ab", rng=3).tobytes()
    assert data.utterance(ONES, "", rng=0).dtype == np.float32


def test_a_character_without_a_voice_is_named():
    with pytest.raises(ValueError, match="utterance: the voices lack c, d; they have a, b"):
        data.utterance(ONES, "adcb")


def by_hand(samples, bands):
    """Frame by frame, frequency by frequency."""
    frames = 1
    while 256 + 160 * (frames - 1) < len(samples):
        frames += 1
    filled = np.append(samples, np.zeros(256 + 160 * (frames - 1) - len(samples)))
    n = np.arange(256)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / 255)

    def mel(f):
        return 2595 * np.log10(1 + f / 700)

    tips = np.linspace(0, mel(4000), bands + 2)
    out = np.empty((frames, bands))
    for t in range(frames):
        frame = hann * filled[160 * t : 160 * t + 256]
        energies = [abs(np.sum(frame * np.exp(-2j * np.pi * f * n / 256))) ** 2 / 256 for f in range(129)]
        for k in range(bands):
            weights = [np.interp(mel(f * 8000 / 256), tips[k : k + 3], [0, 1, 0]) for f in range(129)]
            out[t, k] = np.log(np.dot(weights, energies) + 1e-6)
    return out


@pytest.mark.parametrize(("size", "frames"), [(1, 1), (256, 1), (257, 2), (416, 2), (417, 3), (1000, 6)])
def test_log_mel_by_hand(size, frames):
    samples = np.random.default_rng(size).normal(size=size)
    found = data.log_mel(samples, bands=7)
    assert (found.shape, found.dtype) == ((frames, 7), np.float32)
    np.testing.assert_allclose(found, by_hand(samples, 7), rtol=2e-6, atol=2e-6)


def test_silence_is_finite():
    assert (data.log_mel(np.zeros(1000)) == np.float32(np.log(1e-6))).all()


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, 3)), 1.0])
def test_samples_are_a_sequence(samples):
    with pytest.raises(ValueError, match=r"log_mel needs samples \(n,\), n >= 1, got an array of shape"):
        data.log_mel(samples)


def test_there_is_at_least_one_band():
    with pytest.raises(ValueError, match=r"log_mel needs an integer bands in \[1, inf\), got 0"):
        data.log_mel(np.zeros(300), 0)
