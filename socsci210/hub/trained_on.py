"""Whether a dataset on the Hub is the one that a model was trained on: only then its card may say so."""

from __future__ import annotations

import json

from ..dataset_folder import MANIFEST
from ..errors import HubError
from .client import checked_id


def check_dataset(dataset: str, fingerprint: str) -> None:
    """Compare a dataset on the Hub with the fingerprint in a run record.

    Raises:
        HubError: no such dataset, one that was not made here, or another one than the model was trained on.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    fix = "name the dataset that the model was trained on as it was published, or leave --dataset-repo out"
    try:
        with open(hf_hub_download(checked_id(dataset), MANIFEST, repo_type="dataset"), encoding="utf-8") as file:  # noqa: PTH123
            found = json.load(file).get("fingerprint")
    except (HfHubHTTPError, OSError, ValueError, AttributeError) as error:
        raise HubError(
            f"its {MANIFEST} cannot be read ({type(error).__name__})", where=dataset, expected="a dataset of socsci210", fix=fix
        ) from None
    if found != fingerprint:
        raise HubError(f"a dataset with fingerprint {found}", where=dataset, expected=f"{fingerprint}, as the run record says", fix=fix)
