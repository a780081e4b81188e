"""Paste what a page holds into a folder, as its reader would: `python paste.py PAGE.md FOLDER`.

Every block whose first line is a comment with a path becomes that file. The `run:` lines of the workflow are printed.
"""

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def paste(page: Path, folder: Path) -> dict[str, str]:
    """Write the files, and return their texts by path."""
    files: dict[str, str] = dict(BLOCK.findall(page.read_text(encoding="utf-8")))
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return files


def commands(files: dict[str, str]) -> list[str]:
    """What the workflow runs."""
    return [line for name, text in files.items() if "workflows" in name for line in re.findall(r"- run: (.*)", text)]


if __name__ == "__main__":
    print("\n".join(commands(paste(Path(sys.argv[1]), Path(sys.argv[2])))))
