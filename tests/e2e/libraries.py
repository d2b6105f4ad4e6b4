"""Python libraries of the tests, by name and version, in a virtual environment under build/."""
from __future__ import annotations

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/e2e-venv"
WANTED = ["standardwebhooks==1.1.0", "jsonschema==4.26.0", "openapi-spec-validator==0.9.0", "schemathesis==4.32.5"]


def provide() -> None:
    """Installs what is missing and makes it importable."""
    note = FOLDER / "installed.txt"
    if not note.exists() or note.read_text().split() != WANTED:
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        subprocess.run([str(FOLDER / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *WANTED], check=True)
        note.write_text("\n".join(WANTED) + "\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path.insert(0, str(FOLDER / "lib" / version / "site-packages"))  # before older ones of the system
