"""Photograph a report in headless Chromium: writes docs/pictures/report.png, `make gallery`.

It also draws docs/pictures/sensors.png, the picture that the README begins with.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = "1100,1560"


def main() -> int:
    """Draw both pictures; return the exit status."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"screenshot: no browser is installed ({', '.join(BROWSERS)})", file=sys.stderr)
        return 1
    with TemporaryDirectory() as folder:
        options = ["-c", "temperature", "-s", "0.5", "--decimals", "keep", "--seed", "42"]
        shutil.copy(ROOT / "sample_data" / "sensors.csv", folder)
        options += ["-o", "noisy.csv", "--plot", "sensors.png", "--report", "report.html"]
        noisify = [sys.executable, "-m", "noisify", "sensors.csv", *options]
        subprocess.run(noisify, cwd=folder, check=True)
        shutil.copy(Path(folder, "sensors.png"), PICTURES)
        page = Path(folder, "report.html")
        shoot = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        shoot += [f"--user-data-dir={folder}/browser", f"--window-size={SIZE}"]
        shoot += [f"--screenshot={PICTURES / 'report.png'}", page.as_uri()]
        subprocess.run(shoot, check=True, stderr=subprocess.DEVNULL)
    print(f"wrote {PICTURES}/sensors.png and report.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
