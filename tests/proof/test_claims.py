"""What a proof claims is what it has looked at: no answer that it was not given, no part that it did not see."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from compliance_frames.corpus.manifest import Manifest, manifest_path
from compliance_frames.errors import VerificationError
from compliance_frames.proof.certificate import Certificate
from compliance_frames.proof.verify import verify
from compliance_frames.schemas import RESULTS
from tests.proof.test_mutants import ANSWERS, FIRST, GONE, WORDS, Dataset, flagged, tweets


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path)


def test_a_proof_names_no_job_whose_answers_it_was_not_given(dataset: Dataset) -> None:
    """By an empty table nothing was looked for, whatever jobs the manifest tells of."""
    path = manifest_path(dataset.path)
    assert Manifest.read(path).job_ids == (7,)
    proof = verify(dataset.path, RESULTS.empty_table())
    assert proof.job_ids == ()
    assert proof.statement.startswith("As of the results given, for the 0 IDs flagged, ")
    assert any(each.startswith("what job 7 said") for each in proof.not_checked)


def test_a_proof_by_the_answers_of_its_jobs_lacks_none(dataset: Dataset) -> None:
    """Results that were applied are all that has to be given."""
    proof = verify(dataset.path, *ANSWERS)
    assert proof.statement.startswith("As of job 7, asked at 2024-05-09 12:00 UTC, ")
    assert not any("no answer" in each for each in proof.not_checked)
    told = Manifest.read(manifest_path(dataset.path))
    replace(told, job_ids=(7, 8)).write(manifest_path(dataset.path))
    assert any(each.startswith("what job 8 said") for each in verify(dataset.path, *ANSWERS).not_checked)


def test_a_proof_says_which_ids_it_could_not_look_up(dataset: Dataset) -> None:
    """Where pandas made numbers with a point of IDs and nothing, nobody knows which they were."""
    dataset.put(tweets(retweeted_status=[{"id": float(GONE), "text": WORDS}] * 40))
    told = verify(dataset.path, *ANSWERS).not_checked
    assert any(each.startswith("column 'retweeted_status.id'") and "type double" in each for each in told)


def test_a_sample_of_nothing_is_no_proof(dataset: Dataset) -> None:
    """A part that is so small that no row group is in it proves nothing, and does not say that it did."""
    with pytest.raises(VerificationError, match="takes none of 1 row groups"):
        verify(dataset.path, *ANSWERS, sample=1e-9)


def test_a_proof_says_of_a_small_packed_file_that_it_is_no_text(dataset: Dataset) -> None:
    """What is packed in a way that nobody unpacks here is not taken for text because it holds no zero."""
    packed = zlib.compress(b"%d, %d" % (GONE, FIRST)).replace(b"\0", b"")
    dataset.beside("note.z", packed)
    dataset.beside("note.txt", "naïve, 言葉\r\n\tslut".encode())
    told = verify(dataset.path, *ANSWERS).not_checked
    assert [each for each in told if "no text" in each] == [
        "'note.z', which is no text: only its bytes, for IDs in digits and in eight bytes"
    ]


def test_a_proof_says_where_it_looked_for_places(dataset: Dataset) -> None:
    """A place in any text is not looked for; where none had to go, nothing has to be said of it."""
    assert not any(each.startswith("places elsewhere") for each in verify(dataset.path, *ANSWERS).not_checked)
    told = verify(dataset.path, *ANSWERS, flagged("scrub_geo", [FIRST + 1000])).not_checked
    assert any(each.startswith("places elsewhere") for each in told)


def test_a_certificate_of_answers_that_end_before_they_begin_is_none(dataset: Dataset, tmp_path: Path) -> None:
    """Times that cannot be are not passed on."""
    made = verify(dataset.path, *ANSWERS).certify(tmp_path / "c.json")
    assert made.asked_at is not None
    later = made.asked_at[1] + timedelta(days=1)
    with pytest.raises(VerificationError, match="first answer came after its last"):
        Certificate.from_json(replace(made, asked_at=(later, made.asked_at[1])).to_json())
