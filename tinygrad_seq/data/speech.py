"""Spoken letters and digits, strung together to utterances, and the energies of their frequency bands."""

from __future__ import annotations

import string
import wave
from collections.abc import Mapping

import numpy as np

from tinygrad_seq.data.shipped import shipped
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.init import Rng

RATE = 8000  # samples a second
WINDOW, HOP = 256, 160  # samples: a frame of 32 ms every 20 ms
QUIET = 1e-6  # added to energies, so that the logarithm of silence is finite


def spoken_characters() -> dict[str, np.ndarray]:
    """The digits 0 ... 9 and the letters A ... Z as they are spoken in English: {character: samples (n,)}.

    One recording of each, 0.23 to 0.80 s, 8,000 samples a second, float32 within -1 ... 1. This is one voice:
    what a network learns from it says nothing about other speakers.

    Source: the built-in voices of the package captcha, 8 bits a sample. Licence: the package is under the
    BSD-3-Clause licence and names no other for the recordings.

    >>> voices = spoken_characters()
    >>> "".join(voices), voices["7"].shape, voices["7"].dtype
    ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', (2745,), dtype('float32'))
    """
    voices = {}
    for character in string.digits + string.ascii_uppercase:
        with wave.open(str(shipped("captcha", f"data/{character}/default.wav"))) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
        voices[character] = (samples.astype(np.float32) - 128) / 128
    return voices


def utterance(voices: Mapping[str, np.ndarray], text: str, *, rng: Rng = None) -> np.ndarray:
    """The characters of `text`, spoken one after another: samples (n,), float32.

    Each is resampled to 0.8 to 1.25 times its length, which also shifts its pitch, and has 0.3 to 1 times its
    volume. Before, between and after them there are 20 to 250 ms of silence. White noise is added, of a
    standard deviation of 0.002 to 0.02; that of a recording is about 0.1. Raises ValueError for a character
    that `voices` lack.

    >>> utterance(spoken_characters(), "42", rng=0).shape
    (8090,)
    """
    rng = np.random.default_rng(rng)
    if unknown := sorted(set(text) - set(voices)):
        raise ValueError(f"utterance: the voices lack {', '.join(unknown)}; they have {', '.join(voices)}")
    parts = [np.zeros(rng.integers(160, 2000))]
    for character in text:
        samples = voices[character]
        places = np.linspace(0, len(samples) - 1, round(len(samples) * rng.uniform(0.8, 1.25)))
        parts.append(rng.uniform(0.3, 1) * np.interp(places, np.arange(len(samples)), samples))
        parts.append(np.zeros(rng.integers(160, 2000)))
    together = np.concatenate(parts)
    together += rng.uniform(0.002, 0.02) * rng.standard_normal(len(together))
    return together.astype(np.float32)


def log_mel(samples: np.ndarray, bands: int = 20) -> np.ndarray:
    """log(energy + 1e-6) of frequency bands, (T, bands), float32: a frame of 32 ms for every 20 ms.

        energy_tk = sum_f w_k(f) |X_t(f)|^2 / 256,   X_t = the Fourier transform of Hann window * frame t
        mel(f) = 2595 log10(1 + f / 700)

    for `samples` (n,), n >= 1, 8,000 a second. The weights w_k are triangles of equal width on the mel scale,
    each from the tip of its left neighbour to that of its right one, from 0 to 4,000 Hz. Equal steps in mel are
    heard as equal steps of pitch (Stevens, Volkmann & Newman 1937). The last frame is filled with zeros. Raises
    ValueError for samples of another shape, and TypeError or ValueError unless `bands` is an integer >= 1.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> log_mel(tone).shape, log_mel(tone).argmax(-1)[10]                     # 1,000 Hz: 1,000 of 2,146 mels
    ((50, 20), np.int64(9))
    """
    bands = integer("log_mel", "bands", bands, "[1, inf)")
    samples = np.asarray(samples, np.float64)
    if samples.ndim != 1 or not len(samples):
        raise ValueError(f"log_mel needs samples (n,), n >= 1, got an array of shape {samples.shape}")
    frames = 1 + max(0, -(-(len(samples) - WINDOW) // HOP))
    filled = np.zeros(WINDOW + HOP * (frames - 1))
    filled[: len(samples)] = samples
    framed = np.lib.stride_tricks.sliding_window_view(filled, WINDOW)[::HOP]
    energies = np.abs(np.fft.rfft(framed * np.hanning(WINDOW))) ** 2 / WINDOW
    return np.log(energies @ triangles(bands) + QUIET).astype(np.float32)


def triangles(bands: int) -> np.ndarray:
    """w_k(f) for the frequencies of `log_mel`, (WINDOW / 2 + 1, bands)."""
    mels = 2595 * np.log10(1 + np.linspace(0, RATE / 2, WINDOW // 2 + 1) / 700)
    place = mels / mels[-1] * (bands + 1)  # triangle k has its tip at k + 1
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(1, bands + 1)))
