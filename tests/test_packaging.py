"""Every package and every data file of the source tree is named in pyproject.toml, so that the wheel holds it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
FOLDERS = {folder: package for package, folder in SETTINGS["package-dir"].items()}


def package_of(folder: Path) -> str:
    top, *below = folder.relative_to(ROOT).parts
    return ".".join([FOLDERS[top], *below])


def test_every_package_is_listed() -> None:
    found = {package_of(init.parent) for folder in FOLDERS for init in (ROOT / folder).rglob("__init__.py")}
    assert found == set(SETTINGS["packages"])


def test_every_module_lies_in_a_package() -> None:
    stray = [str(p) for folder in FOLDERS for p in (ROOT / folder).rglob("*.py") if not (p.parent / "__init__.py").exists()]
    assert stray == []


def test_every_data_file_is_packaged() -> None:
    named = {
        path
        for package, patterns in SETTINGS["package-data"].items()
        for pattern in patterns
        for path in (ROOT / Path(*_folder(package))).glob(pattern)
    }
    data = {
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and "__pycache__" not in path.parts
    }
    assert sorted(str(p.relative_to(ROOT)) for p in data - named) == []


def _folder(package: str) -> list[str]:
    for folder, name in sorted(FOLDERS.items(), key=lambda item: -len(item[1])):
        if package == name or package.startswith(f"{name}."):
            return [folder, *package.removeprefix(name).strip(".").split(".")]
    raise AssertionError(package)
