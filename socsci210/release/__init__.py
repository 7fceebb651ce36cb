"""Import of the released SocSci210: verified, with its official splits, its scales parsed and its defects named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ..audit.records import Finding
from ..audit.study import audit_dataset
from ..dataset_folder import DatasetFolder, disk_errors
from ..dataset_writer import Official, write_dataset
from ..splits import official_studies
from ..workshop import Step, check_target, orderly_end, progress_steps, put_in_place, workshop
from .mappings import Mappings, check_studies, read_mappings
from .read import read_studies, rows_per_study
from .source import DEFAULT, Source, find_source
from .study import Finished, finish_study
from .unchanged import Signature
from .verify import Check, check_columns, check_counts, check_files, check_shards, hash_files

__all__ = ["DEFAULT", "Check", "ImportReport", "import_release"]

_CONFIGS: Final = ("unseen_conditions", "unseen_outcomes")
_STRICT: Final = (
    "condition_mapping.json and task_mapping.json hold out rows of seen and unseen studies alike, so a model trained on their training "
    "rows has read unseen studies. load(..., strict=True) leaves unseen studies and their known sisters out of training and validation."
)


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Args:
        path: the dataset folder.
        manifest: what stands in its dataset.json.
        checks: files and counts compared with what is known of the release.
        rules: rule -> rows that carry its flag; rules that touch no row are left out.
        unchanged: nothing was done, since the dataset is there and neither it nor the release has changed since.
    """

    path: Path
    manifest: dict[str, Any]
    checks: tuple[Check, ...]
    rules: dict[str, int]
    unchanged: bool


def import_release(
    source: str | Path = DEFAULT,
    out: Path = Path("socsci210-released"),
    *,
    revision: str | None = None,
    with_reasoning: bool = False,
    jobs: int | None = None,
    progress: Step | None = None,
) -> ImportReport:
    """Turn the released SocSci210 into a dataset folder like a built one.

    The folder is written beside `out` and moved there when it is complete, so `out` is at every moment the old dataset, absent, or the
    new one. The same release gives the same bytes, whatever `jobs` and the order of rows in the shards.

    Args:
        source: a Hub id, or a folder in the upstream layout.
        out: the dataset folder; an older dataset there is replaced.
        revision: branch, tag or commit on the Hub; default the pinned one.
        with_reasoning: keep the upstream rationales of training rows in a side table. They were written from the true answer.
        jobs: studies worked on at the same time; default: as many as there are processors.
        progress: called with (done, in all, what), first in megabytes while a download runs, then in studies; default: a bar.

    Raises:
        DatasetError: the release is incomplete, damaged or contradicts itself; `out` is something else than a dataset or cannot be written.
    """
    check_target(out)
    found = find_source(source, revision, progress)
    signature = Signature(found, out, with_reasoning)
    if signature.unchanged():
        return _report(out, DatasetFolder(out).manifest, unchanged=True)
    jobs = jobs or os.cpu_count() or 1
    with orderly_end(), workshop(out) as (new, scratch):
        manifest = _Import(found, new, scratch, with_reasoning, jobs).run(progress)
        with disk_errors(out):
            put_in_place(new, out)
    signature.note()
    return _report(out, manifest, unchanged=False)


def _report(out: Path, manifest: dict[str, Any], *, unchanged: bool) -> ImportReport:
    release = manifest["release"]
    return ImportReport(out, manifest, tuple(Check(**check) for check in release["checks"]), release["rules"], unchanged)


class _Import:
    """One import into an empty folder."""

    def __init__(self, source: Source, new: Path, scratch: Path, with_reasoning: bool, jobs: int) -> None:
        self.source, self.new, self.scratch, self.with_reasoning, self.jobs = source, new, scratch, with_reasoning, jobs

    def run(self, progress: Step | None) -> dict[str, Any]:
        """Do it, and give back what stands in dataset.json."""
        columns = check_shards(self.source)
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(read_mappings, self.source)  # beside the shards, which leave the interpreter free
            rows = rows_per_study(self.source)
            mappings = reading.result()
        check_studies(mappings, rows)
        with ThreadPoolExecutor(1) as beside, progress_steps(progress, 2 * len(rows), "import") as step:
            hashes = beside.submit(hash_files, self.source.files)  # leaves the interpreter free
            finished = []
            for study in self._finish_all(rows, mappings):
                finished.append(study)
                step(f"read {study.entry.study}")
            finished.sort(key=lambda study: study.entry.study)
            about = self._about(finished, mappings, columns, hashes.result())
            official = Official(
                studies=dict.fromkeys(mappings.seen, "seen") | dict.fromkeys(mappings.unseen, "unseen"),
                rows={study.entry.study: study.official for study in finished},
            )
            with disk_errors(self.new):
                return write_dataset(
                    [study.entry for study in finished],
                    self.new,
                    left_out={},
                    package_version=version("socsci210"),
                    jobs=self.jobs,
                    step=lambda study: step(f"wrote {study}"),
                    official=official,
                    about={"release": about},
                )

    def _finish_all(self, rows: dict[str, int], mappings: Mappings) -> Iterator[Finished]:
        """Every study, in the order in which they are finished. Few wait at a time, so that reading does not run ahead of the work."""
        published = {"unseen_conditions": mappings.condition, "unseen_outcomes": mappings.task}
        waiting: list[Future[Finished]] = []
        with _pool(self.jobs) as pool:
            for study, parts in read_studies(self.source, rows, self.scratch / "parts", with_reasoning=self.with_reasoning):
                sides = {config: of_study[study] for config, of_study in published.items() if study in of_study}
                waiting.append(pool.submit(finish_study, study, parts, sides, self.scratch / "studies"))
                while len(waiting) > 2 * self.jobs:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()

    def _about(self, finished: Sequence[Finished], mappings: Mappings, columns: pa.Schema, hashes: Mapping[str, str]) -> dict[str, Any]:
        """What dataset.json says of the release. Nothing of this machine: the same release gives the same bytes."""
        checks = [
            *check_files(self.source, hashes),
            check_columns(columns),
            _check_list(mappings),
            *check_counts(_counts(finished, mappings), self.source.revision),
        ]
        findings = [finding for study in finished for finding in study.findings]
        findings += audit_dataset([study.summary for study in finished])
        return {
            "name": self.source.name if self.source.revision is not None else None,
            "revision": self.source.revision,
            "files": [
                {"file": name, "bytes": path.stat().st_size, "sha256": hashes[name]}
                for name, path in ((f"{path.parent.name}/{path.name}", path) for path in self.source.files)
            ],
            "checks": [asdict(check) for check in checks],
            "rules": dict(sorted(sum((Counter(study.flagged) for study in finished), Counter()).items())),
            "findings": _by_rule(findings),
            "cleaned": {
                "repaired": sum(study.summary.repaired for study in finished),
                "left_out": sum(study.summary.left_out for study in finished),
            },
            "reasoning": self.with_reasoning,
            "strict": _STRICT,
        }


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more once something went wrong."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _counts(finished: Sequence[Finished], mappings: Mappings) -> dict[str, int]:
    totals = {name: sum(study.counts[name] for study in finished) for name in ("rows", "people", "conditions", "tasks", "cells")}
    return {
        **totals,
        "studies": len(finished),
        "unseen_rows": sum(study.counts["rows"] for study in finished if study.entry.study in mappings.unseen),
        "condition_mapping_studies": len(mappings.condition),
        "task_mapping_studies": len(mappings.task),
    }


def _check_list(mappings: Mappings) -> Check:
    """Compare the release's own list of seen and unseen studies with the one kept in this package."""
    sides = official_studies()
    same = mappings.seen == {study for study, side in sides.items() if side == "seen"} and len(mappings.studies) == len(sides)
    same = same and mappings.unseen <= set(sides)
    found = f"{len(mappings.seen)} seen, {len(mappings.unseen)} unseen"
    return Check("seen and unseen studies", found, "the list in this package", "equal" if same else "different")


def _by_rule(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    """Rule -> in how many places it found something, and how many studies these are in."""
    found: dict[str, dict[str, int]] = {}
    for rule in sorted({finding.rule for finding in findings}):
        of_rule = [finding for finding in findings if finding.rule == rule]
        found[rule] = {"places": len(of_rule), "studies": len({finding.study_id for finding in of_rule if finding.study_id})}
    return found
