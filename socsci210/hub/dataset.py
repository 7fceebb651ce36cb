"""What a push of a dataset publishes: the rows that may be, study files and hashes of the others, and a card that says both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..audit import audit
from ..cards.dataset import dataset_card
from ..dataset_folder import MANIFEST, DatasetFolder, fingerprint, table_file
from ..errors import HubError
from ..registry import STUDY_FILE, Registry
from ..schema import ROWS, SPLIT_CONFIGS, TABLES
from . import dataset_child, rebuilt, rights
from .package import CARD, Package
from .privacy import PrivacyReport, check_bar, measured, minors
from .subset import write_subset

Counts = dict[str, dict[str, list[Any]]]
"""config -> split -> [rows, names of columns]."""
_SECONDS: Final = 3600
_IGNORED: Final = (".gitattributes", ".DS_Store")


def prepare_dataset(
    path: Path, repo: str, work: Path, *, private: bool = False, coarsen: bool = False, accept_risk: str | None = None,
    studies: Sequence[Path] = (),
) -> Package:  # fmt: skip
    """What is to stand in the repository of a dataset that `socsci210 build` made.

    Rows of studies that nobody may redistribute, and of people under 18 without a reason, are left out; then, or where demographics are
    coarsened, what is published is a dataset of its own, with its own sides, tables and fingerprint.

    Args:
        path: dataset folder; it stays as it is.
        repo: id of the repository.
        work: an empty folder for what is made here; files that are published as they are, are pointed to where they lie.
        private: whether the repository is private: too many people who stand alone are then warned of, not refused.
        coarsen: publish age bands, regions for states, and top codes.
        accept_risk: why more people than the bar may stand alone; the card prints it.
        studies: folders of study files that do not come with the package.

    Raises:
        HubError: no study may be published, a study file is not found or was changed, a file that does not belong into a dataset, or too
            many people stand alone.
        DatasetError: no complete dataset, or one that was changed since it was written.
    """
    whole, registry = DatasetFolder(path), Registry(studies)
    why = rights.withheld(whole)
    whole.check()
    files = _files(whole)
    plan = _plan(whole, why, registry, coarsen)
    folder = whole
    if plan.changes:
        out = work / "dataset"
        out.mkdir(parents=True)
        write_subset(whole, plan.studies, plan.without, out, coarse=coarsen, about=plan.about())
        folder = DatasetFolder(out)
        files = _files(folder)
    files |= _withheld(whole, why, registry, work)
    tables = {name: folder.table(name) for name in TABLES}
    simulated = dict(zip(*(tables["studies"].column(name).to_pylist() for name in ("study_id", "simulated")), strict=True))
    people = measured(tables["participants"].select(["study_id", "demographic"]), simulated)
    report = PrivacyReport(people, {study: len(some) for study, some in plan.without.items()}, plan.minors_kept, coarsen, accept_risk)
    warned = check_bar(report, private=private)
    card = dataset_card(
        tables, folder.manifest, repository=repo, withheld=why, privacy=report.checks(), privacy_notes=report.notes(),
        findings=audit(folder.path, progress=lambda *step: None).table(),
    )  # fmt: skip
    files[CARD] = work / CARD
    files[CARD].write_text(card, encoding="utf-8")
    return Package(
        kind="dataset",
        files=files,
        card=card,
        fingerprint=folder.fingerprint,
        message=f"{len(plan.studies)} studies, {folder.manifest['rows']:,} rows, fingerprint {folder.fingerprint[:12]}",
        notes=(*_notes(plan, why), *report.notes(), *warned),
        check_back=_Check(_expected(folder, tables), work),
    )


@dataclass(frozen=True)
class _Plan:
    """What of a dataset is published."""

    studies: list[str]
    without: Mapping[str, list[int]]
    """Study -> its participants who are under 18 and left out."""
    minors_kept: Mapping[str, str]
    withheld: Mapping[str, str]
    coarse: bool
    nobody: list[str] = field(default_factory=list)
    """Studies of which nobody would be left."""

    @property
    def changes(self) -> bool:
        """Whether what is published differs from the folder."""
        return bool(self.withheld or self.without or self.coarse or self.nobody)

    def about(self) -> dict[str, Any]:
        """What dataset.json says of it."""
        left_out = {study: len(people) for study, people in self.without.items()}
        return {
            "published": {
                "withheld": sorted(self.withheld),
                "under_18_left_out": left_out,
                "coarse": self.coarse,
                "all_under_18": self.nobody,
            }
        }


def _plan(folder: DatasetFolder, withheld: Mapping[str, str], registry: Registry, coarse: bool) -> _Plan:
    people = folder.table("participants", ["study_id", "participant", "demographic"])
    of_study: dict[str, list[int]] = {}
    for row in minors(people).select(["study_id", "participant"]).to_pylist():
        if row["study_id"] not in withheld:
            of_study.setdefault(row["study_id"], []).append(row["participant"])
    kept = rights.why_minors(sorted(of_study), folder, registry)
    n = {row["values"]: row["counts"] for row in people.column("study_id").value_counts().to_pylist()}
    nobody = [study for study, some in of_study.items() if study not in kept and len(some) == n[study]]
    studies = [study for study in folder.studies if study not in withheld and study not in nobody]
    if not studies:
        raise HubError(
            "all people of all studies that may be published are under 18", where=str(folder.path), expected="people of age",
            fix="if they may be published, say why in provenance.rights.minors of the study file, and build again",
        )  # fmt: skip
    without = {study: some for study, some in of_study.items() if study not in kept and study not in nobody}
    return _Plan(studies, without, kept, withheld, coarse, nobody)


def _files(folder: DatasetFolder) -> dict[str, Path]:
    """The files of a dataset, less the card.

    Raises:
        HubError: there is another file.
    """
    rows = {path.relative_to(folder.path).as_posix() for path in folder.files()}
    known = rows | {table_file(name) for name in TABLES} | {MANIFEST}
    found: dict[str, Path] = {}
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        if (path.is_dir() and not path.is_symlink()) or name == CARD or path.name in _IGNORED:
            continue
        if name not in known:
            raise HubError(
                f"{name} is not part of a dataset",
                where=str(folder.path),
                expected="what socsci210 build writes",
                fix="move it out of the folder",
            )
        found[name] = path
    return found


def _withheld(folder: DatasetFolder, why: Mapping[str, str], registry: Registry, work: Path) -> dict[str, Path]:
    """The study files and hashes of the studies whose rows are not published."""
    files: dict[str, Path] = {}
    for study, reason in why.items():
        own = f"{rebuilt.FOLDER}/{study}"
        files[f"{own}/{STUDY_FILE}"] = rights.study_file(study, folder, registry)[0]
        path = files[f"{own}/{rebuilt.HASHES}"] = work / own / rebuilt.HASHES
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(rebuilt.hashes(folder, study) | {"why": reason}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return files


def _notes(plan: _Plan, why: Mapping[str, str]) -> list[str]:
    notes = [f"{study}: its rows are not published. {reason}" for study, reason in why.items()]
    return notes + [f"{study}: its rows are not published. All its people are under 18." for study in plan.nobody]


# --- loading back --------------------------------------------------------------------------------------------------------------------


def _expected(folder: DatasetFolder, tables: Mapping[str, Any]) -> Counts:
    """What `load_dataset` is to find of every config and split."""
    found: Counts = {"all": {"train": [folder.manifest["rows"], list(ROWS.names)]}}
    for config in SPLIT_CONFIGS:
        splits = {split: [n, list(ROWS.names)] for split, n in folder.manifest["splits"][config].items() if n and split != "none"}
        found |= {config: splits} if splits else {}
    return found | {name: {"train": [table.num_rows, table.column_names]} for name, table in tables.items() if table.num_rows}


@dataclass(frozen=True)
class _Check:
    """Loads a pushed dataset from the Hub through `datasets`, in a process and a cache of its own, and compares every config."""

    expected: Counts
    work: Path

    def __call__(self, repo: str, commit: str) -> str:
        """The fingerprint of the files that were loaded.

        Raises:
            HubError: it does not load, or a config or split has other rows or columns than here.
        """
        from huggingface_hub import get_token

        with TemporaryDirectory(dir=self.work) as home:
            own = {
                "HF_HOME": home, "HF_HUB_CACHE": f"{home}/hub", "HF_DATASETS_CACHE": f"{home}/datasets", "HF_XET_CACHE": f"{home}/xet",
                "HF_TOKEN": get_token() or "", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            }  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-I", dataset_child.__file__], input=json.dumps({"repo": repo, "revision": commit}), env=os.environ | own,
                cwd=home, text=True, capture_output=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
            if done.returncode:
                last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
                raise HubError(
                    f"it is pushed, but load_dataset fails ({last[0][:300]})", where=f"{repo}@{commit[:12]}",
                    fix="run the same command again: it loads it back once more",
                )  # fmt: skip
            found = json.loads(done.stdout.strip().splitlines()[-1])
            self._compare(found["configs"], f"{repo}@{commit[:12]}")
            return fingerprint(Path(found["folder"]))

    def _compare(self, found: Counts, where: str) -> None:
        for config in sorted(self.expected.keys() | found.keys()):
            here, there = self.expected.get(config), found.get(config)
            if here != there:
                raise HubError(
                    f"it is pushed, but config {config!r} loads back as {_told(there)}", where=where, expected=_told(here),
                    fix="do not use it; report this with both figures",
                )  # fmt: skip


def _told(splits: dict[str, list[Any]] | None) -> str:
    if splits is None:
        return "nothing"
    return "; ".join(f"{split} with {n:,} rows of {', '.join(columns)}" for split, (n, columns) in splits.items())
