"""The readers of the vectors in JavaScript and C: right as they are, wrong with any mistake, plain about bad files."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "vectors"
DATA = ROOT / "refgrad" / "testing" / "vectors" / "data"
NAMES = ["reinforce-bernoulli", "reinforce-categorical", "rebar-bernoulli", "rebar-categorical"]
SUMMARY = re.compile(r"(\S+): (\d+) of (\d+) right, largest error (\S+) % of its tolerance")
OFF = re.compile(r"  (\S+) \([a-z-]+\): ([a-z_.]+)\[\d+\] is \S+, needs \S+")
STRICT = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

MISTAKES = {
    "mjs": {
        "the sign of the score": ("[z ? sigmoid(-l) : -sigmoid(l)]", "[z ? -sigmoid(-l) : sigmoid(l)]", "score"),
        "a score without 1 - p": ("[z ? sigmoid(-l) : -sigmoid(l)]", "[z ? 1 : -sigmoid(l)]", "score"),
        "a score that is not centred": ("(logp, one) => one - exp(logp)", "(_, one) => one", "score"),
        "a temperature that multiplies": ("[sigmoid((l + noise) / t)]", "[sigmoid((l + noise) * t)]", "relaxed"),
        "noise that is not conditioned": (
            "noise : each(q.noiseGiven, logits, z, fresh)",
            "noise : fresh",
            "noise_given_z",
        ),
        "no second draw": ("(q.noiseGiven, logits, z, fresh)", "(q.noiseGiven, logits, z, noise)", "noise_given_z"),
        "log(p + epsilon)": ("one ? v - logp :", "one ? v - log(exp(logp) + 1e-8) :", "noise_given_z"),
        "a detached slope": (
            "each(q.noiseGivenBack, logits, given, each(back, relaxedGiven, slopeOf(f, relaxedGiven)))",
            "each(back, relaxedGiven, slopeOf(f, relaxedGiven))",
            "slope_given_z",
        ),
        "slopes swapped": ("scaled(coefficient, own.slope)", "scaled(-coefficient, own.slope)", "terms.slope"),
        "no coefficient": ("scaled(-coefficient * own.rel", "scaled(-own.rel", "terms.control_score"),
        "a term left out": ("  terms.slope = scaled(coefficient, own.slope);\n", "", "terms.slope"),
        "a mask that is no mask": ("number ?? -Infinity", "number ?? 0", "score"),
        "the last variable slowest": ("z.map(q.weights)", "z.map(q.weights).reverse()", "value"),
    },
    "c": {
        "the sign of the score": ("score[i] = z[i] - score[i]", "score[i] = score[i] - z[i]", "score"),
        "a score that is not centred": ("score[i] = z[i] - score[i]", "score[i] = z[i]", "score"),
        "a temperature that multiplies": ("(logits[i] + noise[i])) / t)", "(logits[i] + noise[i])) * t)", "z"),
        "noise that is not conditioned": ("-log(p[i] * first + (1 - z[i]) * (", "-log((", "noise_given_z"),
        "no second draw": ("*v = coupled ? noise : fresh", "*v = noise", "noise_given_z"),
        "log(p + epsilon)": ("-log(p[i] * first", "-log((p[i] + 1e-8) * first", "noise_given_z"),
        "a detached slope": ("-log(p[i] * first", "-log(creal(p[i]) * first", "slope_given_z"),
        "slopes swapped": ("i ? -coefficient : coefficient", "i ? coefficient : -coefficient", "terms.slope"),
        "no coefficient": ("-coefficient * value, score", "-value, score", "terms.control_score"),
        "a term left out": ("in == expected ? 0 : is", "in == expected || *name == 's' ? 0 : is", "gradient"),
        "a mask that is no mask": ("? -1e300 :", "? 0 :", "score"),
        "the last variable slowest": ("d = variables; d-- > 0; rest", "d = -1; ++d < variables; rest", "value"),
        "an interaction left out": ("z[i / degree] * matrix[i] * z[i % degree]", "matrix[i] * z[i % degree]", "value"),
    },
}
NAMED = {  # what the reader in JavaScript says of mistakes that the notes know
    "no second draw": "rebar-fresh-reused",
    "a detached slope": "rebar-detached-noise-given-z",
    "no coefficient": "rebar-weight-without-coefficient",
}


def source(kind):
    return (FOLDER / f"reinforce_rebar.{kind}").read_text()


@cache
def program(kind):
    """The interpreter or compiler, or a skip that names it."""
    name = {"mjs": "node", "c": os.environ.get("CC", "cc")}[kind]
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here")
    return found


def built(kind, text, folder, extra=()):
    """The command of a reader, from its source; in C with these options where the compiler has them."""
    own = folder / f"reinforce_rebar.{kind}"
    own.write_text(text)
    if kind == "mjs":
        return [program(kind), own]
    plain = [program(kind), *STRICT, "-o", folder / "reader", own, "-lm"]
    if not extra or subprocess.run([*plain, *extra], capture_output=True, check=False).returncode:
        subprocess.run(plain, check=True)
    return [folder / "reader"]


def run(command, folder, *options):
    files = [folder] if str(command[-1]).endswith("mjs") else [folder / f"{name}.json" for name in NAMES]
    return subprocess.run([*command, *files, *options], capture_output=True, text=True, errors="replace", check=False)


def first_off(text):
    """The first field that is off in each test, by id."""
    return {match[1]: match[2] for match in OFF.finditer(text)}


@pytest.fixture(scope="module", params=["mjs", "c"])
def reader(request, tmp_path_factory):
    return built(request.param, source(request.param), tmp_path_factory.mktemp(request.param), SANITIZED)


@pytest.fixture
def copy(tmp_path):
    for name in NAMES:
        shutil.copy(DATA / f"{name}.json", tmp_path)
    return tmp_path


def changed(path, change):
    """Rewrite a file of vectors by a function of its document."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("kind", ["mjs", "c"])
def test_a_reader_is_short_and_cites_equations_that_there_are(kind):
    pages = "".join(page.read_text() for page in (ROOT / "derivations").glob("*.md"))
    text = source(kind)
    assert len(text.splitlines()) < 150
    assert max(map(len, text.splitlines())) <= 120
    cited = set(re.findall(r"Eq\. \d\d\.\d+", text))
    assert {"Eq. 02.3", "Eq. 08.1", "Eq. 08.2", "Eq. 08.3", "Eq. 08.4"} <= cited
    assert [own for own in cited if f"### {own}:" not in pages] == []


def test_the_implementation_is_right_with_room(reader):
    done = run(reader, DATA)
    assert done.returncode == 0, done.stdout + done.stderr
    found = SUMMARY.findall(done.stdout)
    counts = [json.loads((DATA / f"{name}.json").read_text())["number_of_tests"] for name in NAMES]
    assert [(name, int(right), int(count)) for name, right, count, _ in found] == [
        (name, count, count) for name, count in zip(NAMES, counts, strict=True)
    ]
    assert all(0 < float(share) < 50 for *_, share in found)
    assert len(done.stdout.splitlines()) == len(NAMES)


@pytest.mark.parametrize(("kind", "mistake"), [(kind, name) for kind, found in MISTAKES.items() for name in found])
def test_a_mistake_is_caught_at_its_field(kind, mistake, tmp_path):
    program(kind)
    old, new, field = MISTAKES[kind][mistake]
    assert old in source(kind)
    done = run(built(kind, source(kind).replace(old, new), tmp_path), DATA)
    assert done.returncode == 1, done.stdout + done.stderr
    assert field in first_off(done.stdout).values()
    if kind == "mjs" and mistake in NAMED:
        assert f"  like {NAMED[mistake]}: " in done.stdout


def test_only_what_concerns_masks_is_off_without_them(tmp_path):
    program("mjs")
    done = run(built("mjs", source("mjs").replace("number ?? -Infinity", "number ?? 0"), tmp_path), DATA)
    assert set(re.findall(r"^  \S+ \((\S+)\): ", done.stdout, re.MULTILINE)) == {"masked-category"}
    assert "  like masked-category: " in done.stdout


def test_every_number_that_is_expected_counts(reader, copy):
    rng, moved = random.Random(0), {}

    def move(document):
        for group in document["groups"]:
            for test in group["tests"]:
                expected = test["expected"]
                fields = [(expected, name, name) for name in expected if name != "terms"]
                fields += [(expected["terms"], name, f"terms.{name}") for name in expected["terms"]]
                holder, name, moved[test["id"]] = rng.choice(fields)
                numbers, place = holder, name
                while isinstance(numbers[place], list):
                    numbers, place = numbers[place], rng.randrange(len(numbers[place]))
                numbers[place] += 2 * test["atol"]["float64"] + 1e-15 * abs(numbers[place])

    for name in NAMES:
        changed(copy / f"{name}.json", move)
    done = run(reader, copy)
    assert done.returncode == 1
    assert first_off(done.stdout) == moved


@pytest.mark.parametrize("name", NAMES)
def test_a_number_that_is_given_counts(reader, copy, name):
    def move(document):
        for group in document["groups"]:
            logits = group["tests"][0]["logits"]
            row = logits[0] if isinstance(logits[0], list) else logits
            row[0] += 0.125

    changed(copy / f"{name}.json", move)
    done = run(reader, copy)
    assert done.returncode == 1
    groups = json.loads((copy / f"{name}.json").read_text())["groups"]
    assert first_off(done.stdout).keys() == {group["tests"][0]["id"] for group in groups}


@pytest.mark.parametrize("change", [lambda x: x[:-1], lambda x: [*x, x[0]], lambda _: []], ids=["few", "many", "none"])
def test_a_field_of_another_shape_is_never_right(reader, copy, change):
    def reshape(document):
        expected = document["groups"][-1]["tests"][0]["expected"]
        expected["score"] = change(expected["score"])

    changed(copy / f"{NAMES[0]}.json", reshape)
    assert run(reader, copy).returncode in {1, 2}


def text_of(name):
    return (DATA / f"{name}.json").read_text()


BAD = {
    "empty": lambda text: "",
    "a word": lambda text: "vectors",
    "a list": lambda text: f"[{text}]",
    "another schema": lambda text: text.replace('"schema": 1', '"schema": 2'),
    "another format": lambda text: text.replace('"refgrad-vectors"', '"refgrad-answers"'),
    "no format": lambda text: text.replace('"format"', '"form"'),
    "NaN": lambda text: re.sub(r'"value": [-\d.e]+', '"value": NaN', text, count=1),
    "Infinity": lambda text: re.sub(r'"value": [-\d.e]+', '"value": -Infinity', text, count=1),
    "a test too few": lambda text: text.replace('"number_of_tests": ', '"number_of_tests": 1'),
    "more than JSON": lambda text: text.replace('"notes"', "notes"),
    "no tests": lambda text: re.sub(r'(?s)"number_of_tests": \d+(.*"groups": ).*', r'"number_of_tests": 0\1[]}', text),
    "another estimator": lambda text: re.sub(r'"estimator": "\w+"', '"estimator": "Relax"', text),
    "no gradient": lambda text: text.replace('"gradient"', '"estimate"', 1),
    "no noise": lambda text: text.replace('"noise"', '"draws"'),
    "more behind": lambda text: text + "}",
}


def refused(done, name):
    """Status 2 and one plain line that begins with a name."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.fullmatch(rf"\S*{name}: [^\n]+\n", done.stderr)
    assert "rror:" not in done.stderr


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_is_none_of_vectors_is_refused_in_a_line(reader, copy, bad):
    text = BAD[bad](text_of(NAMES[0]))
    assert text != text_of(NAMES[0])
    (copy / f"{NAMES[0]}.json").write_text(text)
    refused(run(reader, copy), f"{NAMES[0]}.json")


def test_a_file_that_is_cut_off_is_refused_in_a_line(reader, copy):
    text = text_of(NAMES[0]).rstrip()
    for end in random.Random(1).sample(range(len(text)), 8):
        (copy / f"{NAMES[0]}.json").write_text(text[:end])
        refused(run(reader, copy), f"{NAMES[0]}.json")


def test_usage_is_refused_in_a_line(reader, tmp_path):
    refused(subprocess.run(reader, capture_output=True, text=True, check=False), "reinforce_rebar(.mjs)?")
    refused(run(reader, tmp_path), f"{NAMES[0]}.json")


def test_garbage_does_not_crash_the_reader_in_c(tmp_path):
    program("c")
    command, rng = built("c", source("c"), tmp_path, SANITIZED), random.Random(2)
    tokens = [b"[", b"]", b"{", b"}", b'"', b"\\", b"\0", b"\xff", b"null", b"-", b"1e308", b"2147483648", b"[" * 99]
    for _ in range(60):
        text = bytearray((DATA / f"{rng.choice(NAMES[:2])}.json").read_bytes())
        for _ in range(rng.choice([1, 3, 20])):
            place = rng.randrange(len(text))
            text[place : place + rng.choice([0, 1, 5, 200])] = rng.choice(tokens)
        (tmp_path / "garbage.json").write_bytes(text)
        done = subprocess.run([*command, tmp_path / "garbage.json"], capture_output=True, check=False)
        assert done.returncode in {0, 1, 2}
        assert len(done.stderr.splitlines()) == (done.returncode == 2)


def blocks():
    """What the page says of each reader: the right output and that of a detached slope."""
    return re.findall(r"```text\n\$ (\S+) .*\n([^`]+)```", (FOLDER / "README.md").read_text())


def plain(line):
    """A line without the digits that depend on a mathematical library."""
    line = re.sub(r"error \S+ %", "error some %", line)
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda match: f"{float(match[0]):.6g}", line)


@pytest.mark.parametrize("kind", ["mjs", "c"])
def test_the_page_shows_what_a_reader_prints(kind, tmp_path):
    shown = [text for name, text in blocks() if name == {"mjs": "node", "c": "./reader"}[kind]]
    assert len(shown) == 2
    old, new, _ = MISTAKES[kind]["a detached slope"]
    for text, change in zip(shown, ((), (old, new)), strict=True):
        command = built(kind, source(kind).replace(*change) if change else source(kind), tmp_path)
        printed = [plain(line) for line in run(command, DATA).stdout.splitlines()]
        places = [printed.index(plain(line)) for line in text.splitlines() if line != "..."]
        assert places == sorted(set(places))
        assert "..." in text or len(places) == len(printed)


def test_the_page_says_how_it_is_done():
    page = (FOLDER / "README.md").read_text()
    for line in ("refgrad vectors --out DIR", "refgrad vectors --check answers.json", "node", "cc -O2"):
        assert line in page
    assert MISTAKES["mjs"]["a detached slope"][0] in " ".join(page.split())


@pytest.mark.parametrize("mistake", [None, "the sign of the score"])
def test_answers_are_judged_as_the_reader_judges_them(mistake, tmp_path):
    program("mjs")
    old, new, _ = MISTAKES["mjs"].get(mistake, ("", "", ""))
    command = built("mjs", source("mjs").replace(old, new), tmp_path)
    done = run(command, DATA, "--answers", tmp_path / "answers.json")
    assert done.returncode == (mistake is not None)
    check = [sys.executable, "-m", "refgrad", "vectors", "--check", str(tmp_path / "answers.json")]
    judged = subprocess.run(check, capture_output=True, text=True, cwd=ROOT, check=False)
    assert judged.returncode == done.returncode, judged.stdout + judged.stderr
    answers = json.loads((tmp_path / "answers.json").read_text())["answers"]
    assert len(answers) == sum(int(count) for _, _, count, _ in SUMMARY.findall(done.stdout))


def test_answers_that_cannot_be_written_are_refused_in_a_line(tmp_path):
    program("mjs")
    done = run([program("mjs"), FOLDER / "reinforce_rebar.mjs"], DATA, "--answers", tmp_path / "none" / "answers.json")
    refused(done, "answers.json")
