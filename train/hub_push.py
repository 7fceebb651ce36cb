"""Pushing a trained model to the Hub, in one commit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path


def push(folder: Path, repository: str, *, private: bool, say: Callable[[str], None]) -> str | None:
    """Upload a model folder, and say where it is, or why it is not and how to try again. The folder stays as it is.

    Returns:
        The address of the commit; None where the upload failed.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Model, tokenizer, run record and card")
    except Exception as error:  # whatever it is: hours of training are done and saved, and the run has ended well without it
        say(f"not pushed to {repository}: {_shown(error)}")
        say(f"the model is in {folder}; try again with: {again(folder, repository, private=private)}")
        return None
    say(f"pushed to {commit.commit_url}")
    return str(commit.commit_url)


def again(folder: Path, repository: str, *, private: bool) -> str:
    """The command that pushes the folder."""
    return f"hf upload {repository} {shlex.quote(str(folder))} .{' --private' if private else ''}"


def _shown(error: Exception) -> str:
    """The first line of an error, without anything that looks like a token."""
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return re.sub(r"hf_\w+|(?i:bearer\s+\S+)", "[token]", first)[:300]
