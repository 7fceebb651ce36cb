"""The openai engine against a server on this machine that is backed by a real small model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from socsci210.dataset_folder import DatasetFolder
from socsci210.egress import EgressError
from socsci210.errors import DatasetError
from socsci210.predict import ServerOptions, predict, read_metadata
from socsci210.prompts import SYSTEM_PROMPT, messages, persona
from tests.openai_server import CHATML, Answering, Fault, OpenAIServer, taught_model
from tests.tiny import tiny_tokenizer
from tests.tiny_dataset import tiny_rows, write_tiny_dataset

CONFIG = "unseen_studies"
PEOPLE = 6  # 12 rows of the unseen study


def chat_tokenizer() -> Any:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return chat_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    return taught_model(tokenizer, map(str, range(10)), steps=80)


@pytest.fixture(scope="module")
def answering(model: Any, tokenizer: Any) -> Answering:
    return Answering(model, tokenizer)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("openai") / "dataset", tiny_rows(people=PEOPLE))


@pytest.fixture
def server(answering: Answering) -> Iterator[OpenAIServer]:
    with OpenAIServer(answering).running() as running:
        yield running


def options(server: OpenAIServer, **changes: Any) -> ServerOptions:
    quiet = {"show": lambda line: None, "allow_send_rows": True, "first_wait": 0.01, "concurrency": 4, "timeout": 5.0}
    return ServerOptions(server.base_url, **{**quiet, **changes})


def ask(server: OpenAIServer, dataset: Path, out: Path, *, config: str = CONFIG, split: str = "test", **changes: Any) -> Path:
    return predict(
        engine="openai", model="tiny", dataset=dataset, config=config, split=split, out=out, server=options(server, **changes), shard_rows=5
    )


def table(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    return {(row["study_id"], row["sample_id"]): row for row in pq.read_table(path).to_pylist()}


# --- distributions ---------------------------------------------------------------------------------------------------------------------


def test_logprobs_equal_the_exact_engine(
    model: Any, tokenizer: Any, server: OpenAIServer, dataset: Path, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    exact = table(predict(engine="transformers", model=str(tmp_path / "model"), dataset=dataset, config=CONFIG, out=tmp_path / "exact"))
    found = table(ask(server, dataset, tmp_path / "found"))
    assert found.keys() == exact.keys()
    for key, row in found.items():
        assert row["support"] == exact[key]["support"]
        np.testing.assert_allclose(row["probabilities"], exact[key]["probabilities"], atol=1e-4)
        assert row["answer_mass"] == pytest.approx(exact[key]["answer_mass"], abs=1e-3)
        assert (row["method"], row["parsed"], row["prediction"], row["raw"]) == ("logprobs", True, None, None)
        assert 0 <= row["unresolved"] < 0.01
    assert np.ptp([row["probabilities"] for row in found.values() if len(row["support"]) == 7], axis=0).max() > 0.02  # prompts matter
