"""A certificate says what was verified, gives nobody away, and is held against the dataset years later."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

import compliance_frames as cf
from compliance_frames.corpus.clean import clean
from compliance_frames.corpus.manifest import Manifest
from compliance_frames.corpus.plan import plan
from compliance_frames.documents import parsed
from compliance_frames.errors import ComplianceFramesError, DestinationError, LedgerError, VerificationError
from compliance_frames.jobs.ledger import Ledger
from compliance_frames.proof.canonical import canonical
from compliance_frames.proof.certificate import Certificate, certificate_path, schema
from compliance_frames.proof.recheck import MOST_PROBLEMS
from compliance_frames.proof.signature import SigningKey
from compliance_frames.proof.verify import Proof, verify
from compliance_frames.schemas import RESULTS

#: Made-up IDs, of the length that today's have.
FIRST = 1212161512043446272
GONE, PLACED = FIRST + 1, FIRST + 2
AUTHOR_GONE, AUTHOR_KEPT = FIRST + 900, FIRST + 901
TWEETS = [FIRST + n for n in range(1, 9)]
NOW = datetime(2024, 5, 9, 12, tzinfo=UTC)
FILE, OTHER, README = "date=2024-05-01/part-0.parquet", "date=2024-05-02/part-0.parquet", "README.md"
STATES = ("creating", "created", "uploading", "uploaded", "processing", "downloading")


def answered(ledger: Ledger, type: Any, ids: list[int], flagged: dict[int, str], *, job: int) -> None:
    """Have a ledger know the answer to a question."""
    ledger.add(type, pa.array(sorted(ids)), chunk_size=100)
    chunk = ledger.unfinished(type)[0]
    for state in STATES:
        more: dict[str, Any] = {"job_id": job} if state == "created" else {}
        chunk = ledger.advance(chunk, state, **more)  # type: ignore[arg-type]
    told = {"type": type, "action": "delete", "created_at": None, "redacted_at": None, "job_id": job, "checked_at": NOW}
    plain = pa.schema([f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in RESULTS])
    rows = [{**told, "id": id, "reason": reason} for id, reason in flagged.items()]
    ledger.finish(chunk, pa.Table.from_pylist(rows, plain).cast(RESULTS), NOW)


@dataclass(frozen=True)
class Certified:
    """A cleaned corpus with its ledger and its certificate."""

    folder: Path
    proof: Proof

    @property
    def dataset(self) -> Path:
        """The cleaned corpus."""
        return self.folder / "clean"

    @property
    def path(self) -> Path:
        """The certificate."""
        return self.folder / "clean.certificate.json"

    @property
    def content(self) -> dict[str, Any]:
        """The certificate as JSON."""
        told: dict[str, Any] = json.loads(self.path.read_text())
        return told

    def check(self, **options: Any) -> Any:
        """Hold the dataset against the certificate."""
        return Certificate.read(self.path).check(self.dataset, **options)

    def problems(self, **options: Any) -> tuple[str, ...]:
        """What does not agree."""
        with pytest.raises(VerificationError) as caught:
            self.check(**options)
        assert caught.value.problems
        return caught.value.problems

    def forge(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the certificate as somebody does who knows how its digest is made; a signature stays as it is."""
        content = self.content
        signature = content.pop("signature", None)
        del content["digest"]
        change(content)
        content["digest"] = sha256(canonical(content)).hexdigest()
        self.path.write_text(json.dumps(content if signature is None else {**content, "signature": signature}))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """A certified dataset that nobody changes."""
    folder = tmp_path_factory.mktemp("original")
    with Ledger.open(folder / "corpus.ledger") as ledger:
        answered(ledger, "tweets", TWEETS, {GONE: "deleted", PLACED: "scrub_geo"}, job=7)
        answered(ledger, "users", [AUTHOR_GONE, AUTHOR_KEPT], {AUTHOR_GONE: "suspended"}, job=8)
    authors = [AUTHOR_KEPT] * 3 + [AUTHOR_GONE] + [AUTHOR_KEPT] * 4
    rows = [
        {"id": str(id), "author_id": str(author), "text": f"words {number}", "geo": "here"}
        for number, (id, author) in enumerate(zip(TWEETS, authors, strict=True))
    ]
    for name, part in ((FILE, rows[:4]), (OTHER, rows[4:])):
        (folder / "corpus" / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(part), folder / "corpus" / name)
    (folder / "corpus" / README).write_text("about")
    clean(plan(folder / "corpus", ledger=folder / "corpus.ledger"), folder / "clean")
    proof = verify(folder / "clean", ledger=folder / "corpus.ledger", source=folder / "corpus")
    proof.certify(folder / "clean.certificate.json")
    return Certified(folder, proof)


@pytest.fixture
def certified(original: Certified, tmp_path: Path) -> Certified:
    """A copy of it, years later and somewhere else: no ledger, no manifest, no source."""
    shutil.copytree(original.dataset, tmp_path / "clean")
    shutil.copy(original.path, tmp_path / "clean.certificate.json")
    return Certified(tmp_path, original.proof)


# What it says.


def test_a_certificate_is_read_as_it_was_written(certified: Certified) -> None:
    """Nothing is lost on the way to the disk and back, and the numbers are those of proof and manifest."""
    read = Certificate.read(certified.path)
    assert read == Certificate.from_json(read.to_json())
    assert read.content == Certificate.from_json(json.dumps(read.to_dict())).content
    assert (read.jobs, read.asked_at, read.dataset, read.source) == (("7", "8"), (NOW, NOW), "clean", "corpus")
    assert (read.counts["files"], read.counts["rows"], read.counts["rows_in"], read.counts["flagged"]) == (3, 6, 8, 3)
    assert {file.path: file.rows for file in read.files} == {FILE: 2, OTHER: 4, README: None}
    assert all((certified.dataset / file.path).stat().st_size == file.bytes for file in read.files)
    assert {each.name: each.count for each in read.ids} == {
        "asked_tweets": 8,
        "asked_users": 2,
        "dropped_tweets": 1,
        "dropped_users": 1,
        "scrubbed_tweets": 1,
        "scrubbed_users": 0,
    }
    assert read.checks == certified.proof.checks
    assert read.verified_with["compliance-frames"] == cf.__version__
    assert cf.Certificate is Certificate


def test_a_certificate_keeps_to_its_schema(certified: Certified) -> None:
    """The schema that is shipped describes what is written, and each of its fields in words."""
    told = schema()
    jsonschema.Draft202012Validator.check_schema(told)
    jsonschema.validate(certified.content, told)
    for name, field in told["properties"].items():
        assert field.get("description"), name
    for wrong in ({"more": 1}, {"version": 2}, {"jobs": [7]}, {"statement": None}, {"files": [{"path": "a"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**certified.content, **wrong}, told)


def test_the_statement_is_the_proofs_and_never_says_compliant(certified: Certified) -> None:
    """As of which jobs, asked when, for how many IDs, what no file contains; and what was not checked."""
    content = certified.content
    assert content["statement"].startswith("As of jobs 7, 8, asked at 2024-05-09 12:00 UTC, for the 8 tweet IDs and 2 ")
    assert "under clean contains" in content["statement"]
    assert content["not_checked"] == list(certified.proof.not_checked)
    assert "is compliant" not in certified.path.read_text()


def test_a_certificate_gives_nobody_away(certified: Certified, original: Certified) -> None:
    """No ID that was asked or erased, no text, no key, no way to the dataset on somebody's disk."""
    text = certified.path.read_text()
    for id in (*TWEETS, AUTHOR_GONE, AUTHOR_KEPT):
        assert str(id) not in text
        assert f"{id:x}" not in text
    key = (original.folder / "corpus.ledger" / "digest.key").read_bytes()
    assert key.hex() not in text
    assert "words" not in text
    assert str(original.folder) not in text
    assert not re.findall(r'"/|/tmp|/home|/root', text)


def test_ids_cannot_be_guessed_by_their_digests(certified: Certified, tmp_path: Path) -> None:
    """One ID is easily guessed, and its plain digest with it: another ledger makes another digest of the same IDs."""
    from compliance_frames.proof.evidence import IdSet

    digests = {each["name"]: each["digest"] for each in certified.content["ids"]}
    for guess in (str(GONE).encode(), GONE.to_bytes(8, "little")):
        assert sha256(guess).hexdigest() not in digests.values()
    evidence = certified.proof.evidence
    assert evidence is not None
    key = evidence.key(make=False)
    assert key is not None
    (gone,) = [each for each in evidence.sets if each.name == "dropped_tweets"]
    assert gone.sealed(key) == digests["dropped_tweets"]
    assert gone.sealed(bytes(32)) != digests["dropped_tweets"]
    assert replace(gone, name="asked_tweets").sealed(key) != digests["dropped_tweets"]
    assert gone.sha256.hex() not in repr(evidence) + repr(certified.proof) + json.dumps(certified.proof.to_dict())
    assert isinstance(gone, IdSet)


def test_a_proof_without_a_ledger_counts_its_ids_and_makes_no_digests(original: Certified, tmp_path: Path) -> None:
    """Where no ledger keeps a key, a digest would give away what it stands for."""
    results = Ledger.read(original.folder / "corpus.ledger").results()
    made = verify(original.dataset, results).certify(tmp_path / "c.json")
    assert made.key_id is None
    assert {(each.name, each.count, each.digest) for each in made.ids} >= {("dropped_tweets", 1, None)}
    assert made.check(original.dataset, proof=original.proof).ids == (
        "not compared: the certificate was made without a ledger, and has no digests of IDs"
    )
    jsonschema.validate(json.loads((tmp_path / "c.json").read_text()), schema())


def test_only_a_proof_that_verify_made_is_certified(original: Certified, tmp_path: Path) -> None:
    """Somebody's own Proof is nobody's evidence."""
    with pytest.raises(ComplianceFramesError, match="only a proof that verify"):
        replace(original.proof, evidence=None).certify(tmp_path / "c.json")
    assert not list(tmp_path.iterdir())


# How it is written.


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_certificate_and_key_are_their_owners_alone(umask: int, original: Certified, tmp_path: Path) -> None:
    """0600, whatever the umask."""
    shutil.copytree(original.folder / "corpus.ledger", tmp_path / "l")
    (tmp_path / "l" / "digest.key").unlink()
    proof = verify(original.dataset, ledger=tmp_path / "l")
    before = os.umask(umask)
    try:
        proof.certify(tmp_path / "c.json")
    finally:
        os.umask(before)
    for path in (tmp_path / "c.json", tmp_path / "l" / "digest.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json", "l"]


def test_a_certificate_is_never_written_over(original: Certified, tmp_path: Path) -> None:
    """Evidence stays what it was, a file of another kind too; and a name that is a link is taken as well."""
    for name in ("old.json", "link.json"):
        path = tmp_path / name
        path.write_text("old") if name == "old.json" else path.symlink_to(tmp_path / "nowhere")
        with pytest.raises(DestinationError, match="never written over"):
            original.proof.certify(path)
    assert (tmp_path / "old.json").read_text() == "old"
    assert not (tmp_path / "nowhere").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "old.json"]


def test_a_certificate_inside_the_dataset_is_refused(original: Certified) -> None:
    """It would be a file that nobody certified."""
    with pytest.raises(DestinationError, match="inside the dataset"):
        original.proof.certify(original.dataset / "c.json")


def test_the_key_is_made_once_and_a_damaged_one_is_told(original: Certified, tmp_path: Path) -> None:
    """Two certificates of one ledger have the same digests; half a key makes none."""
    book = tmp_path / "l"
    shutil.copytree(original.folder / "corpus.ledger", book)
    proof = verify(original.dataset, ledger=book)
    first, second = proof.certify(tmp_path / "1.json"), proof.certify(tmp_path / "2.json")
    assert first.ids == second.ids
    (book / "digest.key").write_bytes(b"half")
    with pytest.raises(LedgerError, match="not whole"):
        proof.certify(tmp_path / "3.json")
    with Ledger.open(book):  # what opens a ledger for writing sweeps it, and leaves the key
        pass
    assert (book / "digest.key").exists()


# Years later.


def test_years_later_the_dataset_is_the_one_that_was_certified(certified: Certified) -> None:
    """Neither ledger nor results nor manifest are needed; it says as of when the claim is, and that nobody signed."""
    told = certified.check()
    assert told.statement.startswith(f"The 3 files under {certified.dataset} are those that were certified at 20")
    assert "What people chose after 2024-05-09 12:00 UTC was not looked at." in told.statement
    assert told.signature.startswith("not signed: whoever could change the files")
    for sentence in certified.proof.not_checked:
        assert f"not checked then: {sentence}" in str(told)
    assert "is compliant" not in str(told)
    assert str(GONE) not in json.dumps(told.to_dict())


def test_a_dataset_may_be_moved_and_renamed(certified: Certified) -> None:
    """What is certified are the files, not where they lie."""
    moved = certified.dataset.rename(certified.folder / "elsewhere")
    assert Certificate.read(certified.path).check(moved).destination == moved


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def link(path: Path) -> None:
    path.rename(path.parent.parent.parent / "aside")
    path.symlink_to(path.parent.parent.parent / "aside")


TAMPERINGS: list[tuple[str, Callable[[Path], object], str]] = [
    ("a byte of data", lambda d: flip(d / FILE, 10), f"{FILE} was changed: its SHA-256 is not the certificate's"),
    ("a byte of a footer", lambda d: flip(d / OTHER, -20), f"{OTHER} was changed"),
    ("a byte of text", lambda d: flip(d / README, 0), f"{README} was changed"),
    ("a byte more", lambda d: (d / README).write_text("about!"), f"{README} has 6 bytes, and 5 by the certificate"),
    ("a file more", lambda d: (d / "more.parquet").write_bytes(b"x"), "more.parquet was added since"),
    ("a hidden file more", lambda d: (d / "date=2024-05-01/.a").touch(), "date=2024-05-01/.a was added since"),
    ("a file less", lambda d: (d / FILE).unlink(), f"{FILE} is missing"),
    ("a file renamed", lambda d: (d / FILE).rename(d / "b.parquet"), f"{FILE} was renamed to b.parquet"),
    ("a link in its place", lambda d: link(d / FILE), f"{FILE} is a symbolic link now, and was a file"),
    ("a pipe in its place", lambda d: ((d / FILE).unlink(), os.mkfifo(d / FILE)), f"{FILE} is neither a file"),
    ("all of it gone", shutil.rmtree, "there is no dataset at"),
]


@pytest.mark.parametrize(("change", "said"), [each[1:] for each in TAMPERINGS], ids=[each[0] for each in TAMPERINGS])
def test_whatever_is_changed_in_the_dataset_is_named(
    change: Callable[[Path], object], said: str, certified: Certified
) -> None:
    """One sentence, for the one thing that was changed."""
    change(certified.dataset)
    (problem,) = certified.problems()
    assert said in problem


def test_files_that_changed_places_are_both_named(certified: Certified) -> None:
    """The same bytes under another name are another dataset."""
    one, other = (certified.dataset / name for name in (FILE, OTHER))
    aside = certified.dataset / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert len(certified.problems()) == 2


def test_of_another_dataset_altogether_the_first_problems_are_told(certified: Certified) -> None:
    """A hundred sentences are enough, and how many there were is said."""
    for number in range(MOST_PROBLEMS + 50):
        (certified.dataset / f"{number}.txt").touch()
    with pytest.raises(VerificationError, match="the first of 150 problems") as caught:
        certified.check()
    assert len(caught.value.problems) == MOST_PROBLEMS


# Signed.


def test_a_signed_certificate_says_whose_it_is(certified: Certified) -> None:
    """By a key that is trusted, by one that nobody vouches for, or by another one."""
    key, other = (SigningKey(Ed25519PrivateKey.generate()) for _ in range(2))
    certified.path.unlink()
    made = certified.proof.certify(certified.path, sign_key=key)
    assert Certificate.read(certified.path) == made
    jsonschema.validate(certified.content, schema())
    assert certified.check(public_key=key.public_key).signature.startswith("signed by the key given")
    assert "not checked against a key that you trust" in certified.check().signature
    (problem,) = certified.problems(public_key=other.public_key)
    assert key.public_key.fingerprint in problem
    assert other.public_key.fingerprint in problem


def test_nothing_is_changed_under_a_signature(certified: Certified) -> None:
    """Neither a field, with its digest made anew, nor the signer; and a signature that is asked for must be there."""
    key, other = (SigningKey(Ed25519PrivateKey.generate()) for _ in range(2))
    unsigned = Certificate.read(certified.path)
    assert "is not signed, and a public key was given" in certified.problems(public_key=key.public_key)[0]
    certified.path.unlink()
    unsigned.signed(key).write(certified.path)
    certified.forge(lambda content: content.update(cleaned_at="2024-01-01T00:00:00+00:00"))
    assert "not to be believed" in certified.problems()[0]
    stolen = replace(unsigned, signature=replace(key.sign(unsigned.content), public_key=other.public_key))
    with pytest.raises(VerificationError, match="not to be believed"):
        stolen.check(certified.dataset)


def test_the_manifest_beside_a_dataset_is_the_certificate_s(original: Certified, certified: Certified) -> None:
    """It may be away; where it lies, it is the one that was verified, or somebody made it again."""
    assert certified.check().manifest == "not compared: none lies beside the dataset"
    path = certified.folder / "clean.manifest.json"
    shutil.copy(original.folder / "clean.manifest.json", path)
    assert "is the certificate's" in certified.check().manifest
    again = replace(Manifest.read(path), source="another")
    path.unlink()
    again.write(path)
    assert certified.problems() == (
        "clean.manifest.json, beside the dataset, is another manifest than the certificate's: it was made again since",
    )
    path.write_text("{}")
    assert "cannot be read as its manifest" in certified.problems()[0]


# A certificate that was changed.


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each plain value of a JSON content."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [way for key, each in items for way in paths(each, (*at, key))]
    return [at]


def changed(content: Any, way: tuple[Any, ...]) -> None:
    """Put another value of the same kind at a place."""
    *above, last = way
    for key in above:
        content = content[key]
    old = content[last]
    content[last] = old + 1 if isinstance(old, int) else f"{old}x" if isinstance(old, str) else "was null"


def test_every_value_is_vouched_for_by_the_digest(certified: Certified) -> None:
    """Whatever is changed in it, be it one character, is seen before anything in it is believed."""
    ways = paths(certified.content)
    assert len(ways) > 80
    for way in ways:
        content = certified.content
        changed(content, way)
        with pytest.raises(VerificationError, match=r"certificate"):
            Certificate.from_json(json.dumps(content))


def test_a_count_of_rows_that_is_not_the_files_is_found_without_a_signature(certified: Certified) -> None:
    """Who changes a count and makes the digest anew is told by the sums, and then by the files' own footers."""
    certified.forge(lambda content: content["files"][1].update(rows=3))
    with pytest.raises(VerificationError, match="its count of rows is 6, and its parts give 7"):
        Certificate.read(certified.path)

    def all_of_it(content: dict[str, Any]) -> None:
        content["counts"].update(rows=7, rows_in=9)

    certified.forge(all_of_it)
    assert certified.problems() == (f"{FILE} has 2 rows, and 3 by the certificate",)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("checks"),
        lambda c: c.update(more="?"),
        lambda c: c["files"][0].update(path="../corpus/README.md"),
        lambda c: c["files"][0].update(path="/etc/passwd"),
        lambda c: c["files"].append(c["files"][0]),
        lambda c: c["files"][0].update(rows="2"),
        lambda c: c["files"][0].update(sha256="00"),
        lambda c: c["files"][0].update(bytes=-1),
        lambda c: c["counts"].pop("rows"),
        lambda c: c["policy"].update(deleted="forget"),
        lambda c: c.update(verified_at="2024-05-09T12:00:00"),
        lambda c: c.update(jobs="78"),
        lambda c: c.update(asked_at=[]),
        lambda c: c.update(checks=[["tweets", "x", 1]]),
    ],
)
def test_what_no_certificate_holds_is_refused(change: Callable[[dict[str, Any]], object], certified: Certified) -> None:
    """Also where the digest agrees: nothing leads out of the dataset, nothing unknown is passed over."""
    certified.forge(change)
    with pytest.raises(VerificationError, match="does not hold what it must"):
        Certificate.read(certified.path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no certificate, or half of one"),
        ("{", "no certificate, or half of one"),
        ("[]", "its format is not"),
        ('{"format": "compliance-frames manifest", "version": 1}', "its format is not"),
        ('{"format": "compliance-frames certificate", "format": "compliance-frames certificate"}', "stands twice"),
        ('{"format": "compliance-frames certificate", "version": 1.0}', "no whole number"),
        ('{"format": "compliance-frames certificate", "version": NaN}', "no whole number"),
        ('{"format": "compliance-frames certificate", "version": 0}', "no version that makes sense"),
        ('{"format": "compliance-frames certificate", "version": true}', "no version that makes sense"),
        ("[" * 200_000, "no certificate, or half of one"),
        ("9" * 10_000, "no certificate, or half of one"),
    ],
    ids=range(11),
)
def test_what_is_no_certificate_is_told(text: str, said: str, tmp_path: Path) -> None:
    """One sentence, with the file's name, and no traceback of a parser."""
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(VerificationError, match=said) as caught:
        Certificate.read(tmp_path / "c.json")
    assert "c.json" in str(caught.value)
    assert caught.value.problems == (str(caught.value),)


@pytest.mark.parametrize("data", [None, b"\xff\xfe"])
def test_a_certificate_that_cannot_be_read_is_told(data: bytes | None, tmp_path: Path) -> None:
    """There is none, or it is no text."""
    if data is not None:
        (tmp_path / "c.json").write_bytes(data)
    with pytest.raises(VerificationError, match=r"there is no certificate|cannot be read"):
        Certificate.read(tmp_path / "c.json")


def test_another_version_is_refused_kindly(certified: Certified) -> None:
    """It says which release wrote it, and that this is no word against it."""
    certified.forge(lambda content: content.update(version=2, verified_with={"compliance-frames": "7.1"}))
    with pytest.raises(VerificationError, match=r"of version 2.*Nothing is said against it.*\(7\.1\)"):
        Certificate.read(certified.path)


# With the ledger at hand.


def test_the_ledger_tells_that_the_ids_are_the_same(original: Certified, tmp_path: Path) -> None:
    """By the same ledger they are; by another it cannot be said; after new answers it is not claimed."""
    certificate = Certificate.read(original.path)
    assert certificate.check(original.dataset, proof=original.proof).ids == (
        "those that were asked and that had to go are the very ones of the certificate"
    )
    book = tmp_path / "l"
    shutil.copytree(original.folder / "corpus.ledger", book)
    with Ledger.open(book) as ledger:
        answered(ledger, "tweets", [FIRST + 500], {FIRST + 500: "deleted"}, job=9)
    told = certificate.check(original.dataset, proof=verify(original.dataset, ledger=book)).ids
    assert told is not None
    assert "answers of other jobs since" in told
    (book / "digest.key").unlink()
    told = certificate.check(original.dataset, proof=verify(original.dataset, ledger=book)).ids
    assert told == "not compared: this is not the ledger that the certificate was made with"


def test_ids_that_are_not_those_of_the_certificate_are_a_problem(certified: Certified, original: Certified) -> None:
    """Who certifies one set of IDs and shows the ledger of another is told."""
    certified.forge(lambda content: content["ids"][0].update(count=9))
    (problem,) = certified.problems(proof=original.proof)
    assert "are not those that were certified" in problem


# The one JSON.


def test_names_are_sorted_as_the_standard_has_it() -> None:
    """RFC 8785's own example of sorting, by UTF-16."""
    names = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    values = ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
              "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]  # fmt: skip
    assert list(json.loads(canonical(names)).values()) == values
    assert canonical({"s": '\u20ac$\x0f\nA\'B"\\\\"/\x7f'}) == b'{"s":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"}'


@pytest.mark.parametrize("number", [0.5, 1.0, 2**53, -(2**53), float("nan")])
def test_numbers_that_others_write_otherwise_are_refused(number: float) -> None:
    """A digest that depends on who computes it is none."""
    with pytest.raises(ValueError, match="not written the same"):
        canonical({"a": [{"b": number}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_one_content_has_one_json(content: dict[str, Any]) -> None:
    """What is read again gives the same bytes, whatever order its names came in, also names that are no UTF-8."""
    bytes = canonical(content)
    assert parsed(bytes.decode()) == content
    assert canonical(dict(reversed(content.items()))) == bytes


@settings(max_examples=80, report_multiple_bugs=False)
@given(where=st.integers(0, 1000), depth=st.integers(1, 3), value=JSON)
def test_a_forged_certificate_ends_in_a_sentence_or_is_whole(
    original: Certified, where: int, depth: int, value: Any
) -> None:
    """Whatever stands in a value's place, reading ends in our own error, or in what the schema describes."""
    content = {name: each for name, each in original.content.items() if name != "digest"}
    ways = paths(content)
    *above, last = ways[where % len(ways)][:depth]
    at: Any = content
    for key in above:
        at = at[key]
    at[last] = value
    try:
        Certificate.from_json(json.dumps({**content, "digest": sha256(canonical(content)).hexdigest()}))
    except VerificationError:
        return
    jsonschema.validate({**content, "digest": "0" * 64}, schema())


def test_a_certificate_lies_beside_its_dataset() -> None:
    """As the manifest and the report do."""
    assert certificate_path("out/clean/") == Path("out/clean.certificate.json")
    assert certificate_path(".") == Path.cwd().with_name(f"{Path.cwd().name}.certificate.json")
