"""`draft` on the real deposits with a model that knows the hand-written study files: what a careful person wrote passes every gate."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from socsci210.drafting import draft
from socsci210.drafting.evidence import evidence_faults, parts_to_prove
from socsci210.drafting.material import Material
from socsci210.drafting.opening import BUDGET, opening
from socsci210.exam import evaluate
from socsci210.judgements import judgements
from socsci210.profiling import profile_deposit
from socsci210.registry import Registry, load_study_file
from socsci210.study_origin import Claim
from tests.draft_scripts import serving

REAL = [entry.id for entry in Registry().entries() if not entry.simulated]
GIVEN = ("format", "id", "files", "reviewed", "drafted")


def with_keys(value: Any, keys: dict[str, str]) -> Any:
    """A part of a study file with the documents under the keys that a draft has for them."""
    if isinstance(value, dict):
        return {name: keys.get(part, part) if name == "doc" else with_keys(part, keys) for name, part in value.items()}
    return [with_keys(part, keys) for part in value] if isinstance(value, list) else value


def submission(study_id: str, material: Material) -> dict[str, Any]:
    """The hand-written study file as a model would hand it in, each part with the first place that the evidence gate takes for it."""
    study = yaml.safe_load(Registry().study_file(study_id).read_text(encoding="utf-8"))
    keys = {name: material.key_of(file["file"]) for name, file in study["files"].items()}
    study = {name: with_keys(part, keys) for name, part in study.items() if name not in GIVEN}
    study["data"]["file"] = keys[study["data"]["file"]]
    study["provenance"] = {name: part for name, part in study["provenance"].items() if name not in ("rights", "same_as", "family")}
    titles = [" ".join(text.split())[:80] for blocks in material.documents.values() for text in blocks.values()]
    study["provenance"]["title"] = next((title for title in titles if len(re.findall(r"\w{4,}", title)) > 3), "unknown")
    study = json.loads(json.dumps(study, default=str))
    study["stated"] = [one for number, one in enumerate(study["stated"]) if proof(study, f"stated.{number}", material)]
    if not study["stated"]:
        study["nothing_stated"] = "No file of the deposit prints a number of people."
    evidence = [proof(study, part, material) for part in parts_to_prove(study)]
    assert all(evidence), dict(zip(parts_to_prove(study), evidence, strict=True))
    return {"study": study, "evidence": evidence}


def proof(study: dict[str, Any], part: str, material: Material) -> dict[str, Any] | None:
    """The first place that may be cited for a part."""
    for place in places(study, part, material):
        faults = evidence_faults(study, [Claim.model_validate(place)], material)
        if not any(fault.where == part for fault in faults):
            return place
    return None


def places(study: dict[str, Any], part: str, material: Material) -> Iterator[dict[str, Any]]:
    if part != "provenance.title":
        words = set(re.findall(r"\w+", json.dumps(study)))
        yield from ({"claim": part, "variable": name} for name in material.names if name in words)
    for document, blocks in material.documents.items():
        yield from ({"claim": part, "doc": document, "blocks": [block]} for block in blocks)
    yield {"claim": part, "variable": material.names[0]}


@pytest.mark.parametrize("study_id", REAL)
def test_what_a_careful_person_wrote_is_let_through(study_id: str, deposits_dir: Path, tmp_path: Path) -> None:
    deposit = Registry().get(study_id).deposit(deposits_dir)
    assert deposit is not None
    material = Material(deposit, profile_deposit(deposit))
    system, first = opening(material, study_id=study_id)
    assert len(system["content"]) + len(first["content"]) < BUDGET + 3000 and "profile is cut here" not in first["content"]
    with serving([[("submit", submission(study_id, material))]]) as server:
        done = draft(deposit, model="scripted", base_url=server.base_url, out=tmp_path / "draft", study_id=study_id)
    judged = [one.where for one in judgements(load_study_file(done.study_file)) if one.kind != "own words"] if done.study_file else []
    report = json.loads((tmp_path / "draft" / "report.json").read_text())
    assert done.status == ("needs review" if judged else "accepted"), report  # what a person judged, a model leaves to a person
    assert [question.partition(":")[0] for question in done.questions] == judged
    assert done.study_file is not None
    card = evaluate(done.study_file, Registry().study_file(study_id), deposits=deposits_dir)
    assert card.perfect, card
