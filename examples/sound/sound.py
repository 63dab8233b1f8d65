"""A melody in a WAV file at 20, 10 and 0 dB, and which tones can still be found in it."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import wave
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

RATE = 8000
SECONDS = 0.25
TONES = (262, 330, 392, 523, 659, 784, 1047, 784, 659, 523, 392, 330)
LEVELS = ("20", "10", "0")


def main() -> None:
    """Write the melody, add noise, look for its tones, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--small", action="store_true", help="makes no difference: it is small")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "melody.wav")
        subprocess.run(
            ["noisify", str(folder / "melody.wav"), "--sweep", f"snr={','.join(LEVELS)}",  # noqa: S607 - on PATH
             "--seed", "42", "--output-dir", str(folder / "noisy"), "-q"],
            check=True,
        )  # fmt: skip
        sounds = {"clean": read(folder / "melody.wav")}
        for level in LEVELS:
            sounds[f"{level} dB"] = read(folder / "noisy" / f"melody_snr-{level}.wav")
    clean = sounds["clean"]
    figure, panels = plt.subplots(2, 4, figsize=(10, 3.6), sharey="row")
    for name, sound, (top, bottom) in zip(sounds, sounds.values(), panels.T, strict=True):
        noise = sound - clean
        snr = 10 * np.log10(np.mean(clean**2) / np.mean(noise**2)) if noise.any() else np.inf
        spectrum, zeros = (sum(near(tones)) for tones in (strongest(sound), crossings(sound)))
        print(
            f"{name:6} SNR {snr:6.2f} dB; tones found by spectrum {spectrum}, by crossings {zeros}"
        )
        top.set(title=name, ylim=(-0.9, 0.9), xticks=[])
        top.plot(np.arange(400) / RATE, sound[:400], marker="", linewidth=0.7)
        bottom.specgram(sound + 1e-6, NFFT=256, Fs=RATE, noverlap=192, vmin=-110, vmax=-30)
        bottom.set(xlabel="seconds", ylim=(0, 2000))
    panels[0, 0].set_ylabel("first 50 ms")
    panels[1, 0].set_ylabel("Hz")
    figure.savefig(given.picture)
    Image.open(given.picture).quantize(64).save(given.picture, optimize=True)


def write(path: Path) -> None:
    """Write the melody as a WAV file of 16-bit samples."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    fade = np.minimum(1, np.minimum(time, SECONDS - time) / 0.02)
    samples = np.concatenate([0.5 * fade * np.sin(2 * np.pi * tone * time) for tone in TONES])
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def read(path: Path) -> np.ndarray:
    """Return the samples of a WAV file, from -1 to 1."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def strongest(sound: np.ndarray) -> np.ndarray:
    """Return the frequency of the strongest tone in each note."""
    notes = sound.reshape(len(TONES), -1)
    spectrum = np.abs(np.fft.rfft(notes * np.hanning(notes.shape[1])))
    return spectrum.argmax(axis=1) * RATE / notes.shape[1]


def crossings(sound: np.ndarray) -> np.ndarray:
    """Return the frequency that the crossings of zero say, in each note."""
    notes = sound.reshape(len(TONES), -1)
    return np.sum(np.diff(notes > 0), axis=1) / 2 / SECONDS


def near(tones: np.ndarray) -> np.ndarray:
    """Return which tones are within a quarter tone of the melody's."""
    return np.abs(np.log2(np.maximum(tones, 1) / TONES)) < 1 / 24


if __name__ == "__main__":
    main()
