"""What may not be published is found, named by file and place, and never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socsci210.errors import HubError
from socsci210.hub.columns import column_faults
from socsci210.hub.package import Kind
from socsci210.hub.safety import check_files
from socsci210.hub.secrecy import name_fault, secrets_in, secrets_in_file
from socsci210.schema import PARTICIPANTS, ROWS

SECRETS = {  # put together here, so that no scanner takes this file for one that holds secrets
    "a Hugging Face token": "hf" + "_AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh",
    "an API key": "sk" + "-proj-abc123DEF456ghi789JKL012",
    "an AWS key id": "AKIA" + "IOSFODNN7EXAMPLE",
    "an AWS key": "aws_secret_access_key" + " = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00",
    "a private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "a PuTTY key": "PuTTY-User-" + "Key-File-3: ssh-rsa",
    "a GitHub token": "ghp" + "_" + "a1B2" * 9,
    "a GitLab token": "glpat" + "-" + "a1B2" * 5,
    "a Slack token": "xoxb" + "-123456789012-abcdef",
    "a Google key": "AIza" + "a1B2c" * 7,
    "a token of a package registry": "npm" + "_" + "a1B2" * 9,
    "a login of a package registry": "//registry.npmjs.org/:_auth" + "Token=abcdefgh12345678",
    "a login with its password": "machine example.org login me pass" + "word secret",
}


def faults(tmp_path: Path, name: str, content: str | bytes, *, kind: Kind = "model", token: str = "") -> str:
    """What is said of a package with this file; empty where nothing is."""
    path = tmp_path / "package" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (tmp_path / "README.md").write_text("# Card\n")
    try:
        check_files({"README.md": tmp_path / "README.md", name: path}, kind, token)
    except HubError as error:
        assert error.fix and error.expected
        return error.found
    return ""


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "prod.env", ".netrc", "_netrc", ".npmrc", ".pypirc", ".git/config", "sub/.git/HEAD", ".git",
        ".ssh/known_hosts", "id_rsa", "keys/id_ed25519", "server.pem", "private.key", "cert.p12", "token", "hf_token", "token.txt",
        "stored_tokens", "credentials", "credentials.json", "secrets.yaml", ".aws/config", "service-account-1.json",
        "client_secret_12.json", ".htpasswd",
        "api_key.txt", "passwords.csv", ".bash_history", ".git-credentials", ".ENV", "Id_Rsa",
    ],
)  # fmt: skip
def test_names_of_secrets(tmp_path: Path, name: str) -> None:
    found = faults(tmp_path, name, "nothing in it")
    assert found.startswith("1 thing") and f"{name}: " in found


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "model.safetensors", "environment.yml",
        "keys_of_rows.json", ".gitattributes", "data/all/one.parquet.txt", "study.yaml", "secretary.md", "tokens_per_row.md", "app.py",
    ],
)  # fmt: skip
def test_names_that_are_no_secrets(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("what", SECRETS)
def test_secrets_in_texts(tmp_path: Path, what: str) -> None:
    found = faults(tmp_path, "notes.txt", f"one\ntwo\n{SECRETS[what]}\nfour\n")
    assert f"notes.txt: {what} in line 3" in found and SECRETS[what] not in found


def test_texts_without_secrets() -> None:
    for text in (
        "export HF_TOKEN=hf_...", "risk-averse-and-other-long-hyphenated-words-1", "token = os.environ['HF_TOKEN']", "hf_hub_download",
        "-----BEGIN CERTIFICATE-----", "from sk-learn", "sk-this-is-no-key-but-a-class-name", "the machine learning login page password",
    ):  # fmt: skip
        assert not list(secrets_in(text.encode())), text


def test_ones_own_token_is_found_whatever_it_looks_like(tmp_path: Path) -> None:
    found = faults(tmp_path, "log.txt", "a\nAuthorization: abc-def\n", token="abc-def")
    assert "log.txt: your own token in line 2" in found and "abc-def" not in found


def test_secrets_across_pieces_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"x" * ((1 << 22) - 12) + b"\n" + SECRETS["a GitHub token"].encode() + b"\n" * 5000)
    assert list(secrets_in_file(path)) == [("a GitHub token", 2)]


def test_the_header_of_weights_is_read_and_the_numbers_are_not(tmp_path: Path) -> None:
    secret = SECRETS["a Hugging Face token"].encode()
    header = b'{"__metadata__": {"from": "' + secret + b'"}}'
    assert "a Hugging Face token" in faults(tmp_path, "a.safetensors", len(header).to_bytes(8, "little") + header)
    assert not faults(tmp_path, "b.safetensors", (2).to_bytes(8, "little") + b"{}" + secret)


# --- places --------------------------------------------------------------------------------------------------------------------------


def test_links_and_what_is_no_file(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("not for you")
    folder = tmp_path / "package"
    (folder / "real").mkdir(parents=True)
    (folder / "real" / "a.txt").write_text("x")
    (folder / "linked.txt").symlink_to(outside)
    (folder / "linked").symlink_to(folder / "real")
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    card = tmp_path / "README.md"
    card.write_text("# Card\n")

    def said(name: str) -> str:
        with pytest.raises(HubError) as refused:
            check_files({"README.md": card, name: folder / name}, "model", "")
        return refused.value.found

    assert "linked.txt: a link" in said("linked.txt")
    assert "linked/a.txt: in a folder that is a link (linked)" in said("linked/a.txt")
    assert "gone.txt: a link" in said("gone.txt")
    assert "pipe: not a regular file" in said("pipe")
    assert "nothing.txt: cannot be read" in said("nothing.txt")
    check_files({"README.md": card, "real/a.txt": folder / "real" / "a.txt"}, "model", "")


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/passwd", "a//b", "./a", "a\\b", "a\nb", ""])
def test_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    file = tmp_path / "up.txt"
    file.write_text("x")
    card = tmp_path / "README.md"
    card.write_text("# Card\n")
    with pytest.raises(HubError, match="its path leads out of the repository, or is none"):
        check_files({"README.md": card, name: file}, "model", "")


def test_all_faults_in_one_message(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("# Card\n")
    with pytest.raises(HubError) as refused:
        check_files({"README.md": card} | {f"{n}.pem": card for n in range(12)}, "model", "")
    assert refused.value.found.startswith("12 things") and "... and 2 more" in refused.value.found


# --- columns -------------------------------------------------------------------------------------------------------------------------


def table_faults(tmp_path: Path, name: str, columns: dict[str, list[object]] | pa.Table, kind: Kind = "model") -> list[str]:
    path = tmp_path / Path(name).name
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return list(column_faults(name, path, kind))


def test_columns_of_a_dataset_are_those_of_the_schema(tmp_path: Path) -> None:
    assert not table_faults(tmp_path, "data/all/s.parquet", ROWS.empty_table(), "dataset")
    assert not table_faults(tmp_path, "participants/participants.parquet", PARTICIPANTS.empty_table(), "dataset")
    wider = ROWS.empty_table().append_column("verbatim", pa.array([], pa.string()))
    assert table_faults(tmp_path, "data/all/s.parquet", wider, "dataset") == ["column 'verbatim' is not one of the schema"]
    person = pa.array([{"age": 30, "zip": "12345"}])
    found = table_faults(tmp_path, "data/all/s.parquet", pa.table({"demographic": person}), "dataset")
    assert found == ["column 'demographic.zip' is not one of the schema"]


@pytest.mark.parametrize(
    "column",
    [
        "email", "Email", "E-mail address", "respondent_email", "phone", "PhoneNumber", "ip_address", "IPAddress", "ssn", "first_name",
        "LastName", "full name", "date_of_birth", "dob", "zip", "zip_code", "postcode", "street", "workerId", "worker_id", "prolific_pid",
        "PROLIFIC_ID", "mturk_id", "ResponseId", "CaseID", "panelist_id", "respondent_id", "latitude", "LocationLongitude", "user_agent",
        "ExternalDataReference", "RecipientEmail", "open_text", "q12_text", "Q3_5_TEXT", "verbatim", "comments", "other_specify",
        "free_response",
    ],
)  # fmt: skip
def test_columns_that_tell_too_much(tmp_path: Path, column: str) -> None:
    assert len(table_faults(tmp_path, "people.parquet", {column: [1, 2]})) == 1


@pytest.mark.parametrize(
    "column",
    ["age", "gender", "state", "study_id", "sample_id", "participant", "condition", "stimulus", "persona", "scale_min", "latency", "W",
     "name_of_model", "text_status", "response", "opener", "zippy", "cell"],
)  # fmt: skip
def test_columns_that_may_be_published(tmp_path: Path, column: str) -> None:
    assert table_faults(tmp_path, "people.parquet", {column: [1, 2]}) == []


def test_identifiers_in_what_columns_hold(tmp_path: Path) -> None:
    hotline, mail = "Call 800-555-0199 now.", "write to jane@example.org"
    shown = pa.table({"stimuli": [hotline], "study_id": ["s"]})
    assert not table_faults(tmp_path, "data/all/s.parquet", shown, "dataset")  # everybody was shown it
    found = table_faults(tmp_path, "data/all/s.parquet", pa.table({"stimuli": [mail], "study_id": [hotline]}), "dataset")
    assert sorted(found) == ["column 'stimuli' holds an e-mail address in 1 text", "column 'study_id' holds a telephone number in 1 text"]
    assert not table_faults(tmp_path, "studies/studies.parquet", pa.table({"citation": [mail]}), "dataset")  # authors are named
    nested = pa.table({"demographic": pa.array([{"location": mail}, {"location": "Ohio"}])})
    assert table_faults(tmp_path, "data/all/s.parquet", nested, "dataset") == [
        "column 'demographic.location' holds an e-mail address in 1 text"
    ]
    assert "jane" not in "".join(found)


def test_secrets_in_compressed_columns(tmp_path: Path) -> None:
    assert table_faults(tmp_path, "x.parquet", {"note": [SECRETS["a GitHub token"]]}) == ["column 'note' holds a GitHub token"]


def test_columns_of_peoples_own_words(tmp_path: Path) -> None:
    own = {"opinion": [f"I think that {n} is what I would want to say here." for n in range(200)]}
    assert table_faults(tmp_path, "x.parquet", own) == ["column 'opinion' holds 200 different texts, as people's own words do"]
    few = {"stimulus": [f"You read text number {n % 50} of the study." for n in range(200)]}
    assert not table_faults(tmp_path, "x.parquet", few)


def test_other_tables(tmp_path: Path) -> None:
    assert "people.csv: column 'email' tells who somebody is" in faults(tmp_path, "people.csv", "age,email\n30,a\n")
    assert "column 'note' holds an e-mail address in 1 text" in faults(tmp_path, "people.tsv", "age\tnote\n30\tjane@example.org\n")
    assert "column 'e_mail' tells" in faults(tmp_path, "people.CSV", "age;e_mail\n30;a\n")
    assert "cannot be read" in faults(tmp_path, "broken.parquet", b"PAR1 and no more")
    assert not faults(tmp_path, "examples.csv", 'age,stimulus\n30,"Tea, or\ncoffee?"\n')
    assert not faults(tmp_path, "empty.csv", "age\n")
