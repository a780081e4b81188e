"""The benchmarks run, judge by the goals that they state, and do not depend on the number of processes."""

import importlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from refgrad import exact

pytestmark = pytest.mark.exhaustive  # examples, pages and benchmarks are the same on every Python

FOLDER = Path(__file__).parent / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
OURS = ("accuracy", "cost", "false_alarms", "matrix")
CONTENT = {
    "accuracy": ("seed", "goal", "regimes", "lines"),
    "cost": ("samples", "threads", "lines", "battery"),
    "detection": ("alpha", "seed", "lines"),
    "false_alarms": ("alpha", "seed", "groups", "total", "unshifted", "studentised"),
    "matrix": ("alpha", "seed", "budgets", "lines"),
}


def run(name, *arguments):
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.mark.parametrize("name", sorted(CONTENT))
def test_it_runs(name, tmp_path):
    path = tmp_path / "report.json"
    done = run(name, "--quick", "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert lines[0] == lines[0].strip()
    assert set(CONTENT[name]) <= set(json.loads(path.read_text()))


def test_the_numbers_do_not_depend_on_the_processes(tmp_path):
    found = []
    for jobs in ("1", "2"):
        path = tmp_path / f"{jobs}.json"
        only = ("--only", "reinforce-wrong-sign")
        done = run("matrix", *only, "--jobs", jobs, "--seed", "3", "--json", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        found.append((done.stdout, json.loads(path.read_text())))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_explains_itself(load, capsys, name):
    with pytest.raises(SystemExit) as raised:
        load(name).main(["--help"])
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert f"tests/benchmarks/{name}.py --quick" in shown
    assert f"tests/benchmarks/{name}.py" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--jobs", "0"], "--jobs needs to be at least 1, but is 0"), (["--seed", "-1"], "--seed needs to be at least 0")],
)
def test_options_that_make_no_sense(load, capsys, name, arguments, message):
    with pytest.raises(SystemExit) as raised:
        load(name).main(arguments)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


class TestGoalsThatAreMissed:
    def test_false_alarms(self, load):
        module = load("false_alarms")

        def group(name, outcome, count):
            alarms = [{"outcome": outcome, "n": 50, "reason": "the mean is not the exact gradient"}] * count
            quiet = [{"outcome": "undecided", "n": 9000, "reason": "the samples are spent"}] * (400 - count)
            return module.summary(name, alarms + quiet, groups=10)

        assert group("any", "wrong", 4)["held"]  # 4 of 400 is the rate itself
        assert not group("any", "wrong", 16)["held"]
        assert group("any", "wrong", 16)["parts"]["mean"] == 16
        assert group("any", "right", 16)["held"]
        assert not group(module.JUST_WRONG, "right", 16)["held"]

    def test_the_limits_of_a_share(self, load):
        low, high = load("false_alarms").limits(0, 400)
        assert low == 0
        assert (1 - high) ** 400 == pytest.approx(0.01)  # none of 400 has that probability at the limit

    def test_a_studentised_test_without_variance(self, load):
        module, flat = load("false_alarms"), [[0.5, 0.0]] * 60
        rows = np.array(flat)
        assert module.z_test(rows)
        assert module.hotelling(rows)
        assert not module.z_test(0 * rows)
        assert not module.hotelling(0 * rows)

    def test_a_mistake_that_survives(self, load):
        module = load("matrix")
        unseen = {column: {"outcome": "right", "why": ""} for column in module.COLUMNS}
        row = {"wrong": True, "of unbiased": True, "bias": 0.0, "tolerance": 0.1, **unseen}
        assert module.failing(row) == "survives"
        assert module.failing({**row, "bias": 0.5}).startswith("its bias exceeds the tolerance")
        seen = {"outcome": "wrong", "n": 64}
        assert not module.failing({**row, "pathwise": seen})
        assert not module.failing({**row, "bias": 0.5, "black box": seen})
        assert module.failing({**row, "of unbiased": False, "black box": seen}) == "survives"
        assert module.failing({**row, "wrong": False, "moments": seen}) == "is right, and moments says wrong"

    def test_statistics_that_cost_too_much(self, load):
        module = load("cost")
        short = {"n": 100, "cpu": (1.0, 0.5), "wall": (1.0, 0.5)}
        cheap = {"n": 300, "cpu": (3.0, 0.6), "wall": (3.0, 0.6)}
        dear = {"n": 300, "cpu": (3.0, 0.9), "wall": (3.0, 0.9)}
        runs = [{"problem": "any", "estimator": "any", "short": short, "long": long} for long in (cheap, dear, dear)]
        found = module.summary(runs[:1])
        assert found["held"]
        assert found["ratio"] == pytest.approx(0.05)
        assert found["whole ratio"] == pytest.approx(0.5)
        assert not module.summary(runs)["held"]


def speed(*arguments):
    return run("run", "--history", os.devnull, *arguments)


class TestSpeed:
    """`run.py`: what it says and writes; no test looks at seconds."""

    def test_a_quick_run(self, tmp_path):
        figures, tables, kept = (tmp_path / name for name in ("speed.jsonl", "speed.md", "history.jsonl"))
        options = ("--quick", "--rows", "a,b,c,d,e", "--row", "g", "--json", str(figures), "--history", str(kept))
        for said in ("No run is recorded yet", "Beside the run of"):
            done = run("run", *options, "--markdown", str(tables), "--record")
            assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
            assert said in done.stdout
            assert "numpyro, pyro, JAX, torch, storchastic: REFGRAD_PEERS_PYTHON names no interpreter" in done.stdout
        lines = [json.loads(line) for line in figures.read_text().splitlines()]
        assert {line["row"] for line in lines} == set("abcdeg")
        assert {"date", "machine", "versions"} <= set(lines[0])
        assert {"cpu", "cores", "blas", "blas threads"} <= set(lines[0]["machine"])
        timed = [line for line in lines if "seconds" in line]
        assert all(line["seconds"]["min"] == min(line["seconds"]["all"]) > 0 for line in timed)
        assert {line["who"] for line in timed if line["row"] == "a"} == {"refgrad", "np.sum of the table"}
        bits = [line for line in lines if line["who"] == "answers of other bits"]
        assert [line["value"] for line in bits] == [0.0] * len(bits) != []
        assert tables.read_text().count("### ") == 6
        first, second = (json.loads(line) for line in kept.read_text().splitlines())
        assert first["ratios"].keys() == second["ratios"].keys()
        assert len(first["ratios"]) == sum(line["who"] != line["ratio"]["to"] for line in timed)

    def test_quick_growth_draws(self, tmp_path):
        figures = tmp_path / "growth.jsonl"
        done = speed("--quick", "--growth", "--plot", str(tmp_path / "out"), "--json", str(figures))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        lines = [json.loads(line) for line in figures.read_text().splitlines()]
        assert {line["against"] for line in lines} == {"K^D", "K^D D", "n", "D", "K", "draws", "nodes", "samples"}
        drawn = (tmp_path / "out" / "growth.svg").read_text()
        assert drawn.count('id="axes_') == len(lines)

    def test_a_quick_profile(self, tmp_path):
        figures = tmp_path / "profile.jsonl"
        done = speed("--quick", "--profile", "--rows", "a,c,f", "--json", str(figures))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        for line in map(json.loads, figures.read_text().splitlines()):
            assert sum(line["parts"].values()) == pytest.approx(line["whole"])
        assert "bookkeeping of autograd" in done.stdout

    def test_the_rows_are_listed(self, load, capsys):
        assert load("run").main(["--list"]) == 0
        assert [line[0] for line in capsys.readouterr().out.splitlines()] == list("abcdefg")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--seed", "-1"], "--seed needs to be at least 0, but is -1"),
            (["--rows", "a,z"], "--rows needs some of a, b, c, d, e, f, g, but has 'z'"),
            (["--growth", "--profile"], "--growth and --profile need to be asked for one after the other"),
            (["--plot", "out"], "--plot needs --growth"),
            (["--json", "/none/x.jsonl"], "/none/x.jsonl needs a folder to be written to, but /none is none"),
            (["--growth", "--record"], "--record needs the rows, not --growth or --profile"),
        ],
    )
    def test_options_that_make_no_sense(self, load, capsys, arguments, message):
        with pytest.raises(SystemExit) as raised:
            load("run").main(arguments)
        assert raised.value.code == 2
        assert message in capsys.readouterr().err

    def test_a_history_that_is_none(self, load, capsys, tmp_path):
        path = tmp_path / "history.jsonl"
        path.write_text('{"date": "today"}\n')
        with pytest.raises(SystemExit) as raised:
            load("run").main(["--history", str(path)])
        assert raised.value.code == 2
        message = f'line 1 of {path} needs to be a recorded run, but is \'{{"date": "today"}}\''
        assert message in capsys.readouterr().err


class TestTiming:
    def effort(self, load, **settings):
        return load("speed.timing").Effort(**settings)

    def race(self, load, lasting, **settings):
        """Who had a turn, in order, and what was found, where a call of each lasts as long as is said."""
        turns = []

        def clock(name, own):
            def timed(calls):
                turns.append((name, calls))
                return own

            return timed

        clocks = {name: clock(name, own) for name, own in lasting.items()}
        return turns, load("speed.timing").race(clocks, self.effort(load, **settings), seed=0)

    def test_everybody_has_a_turn_in_every_round(self, load):
        turns, found = self.race(load, {"one": 0.1, "other": 0.2}, turns=5, seconds=0.5)
        rounds = [tuple(name for name, _ in turns[i : i + 2]) for i in range(0, len(turns), 2)]
        assert all(set(own) == {"one", "other"} for own in rounds)
        assert len(set(rounds[1:])) == 2  # not always in the same order
        assert {name: len(own) for name, own in found.items()} == {"one": 5, "other": 5}
        assert len(turns) == 12  # the first turn of each warms up

    def test_what_is_quick_is_called_several_times_a_turn(self, load):
        turns, found = self.race(load, {"quick": 1e-5, "slow": 1e-2}, turns=5, seconds=0.05, short=2e-3)
        assert set(turns) == {("quick", 1), ("quick", 200), ("slow", 1)}
        assert found["quick"] == [1e-5] * 25  # 200 calls of them last .05 s

    def test_who_is_slow_leaves(self, load):
        _, found = self.race(load, {"quick": 0.01, "slow": 1.0, "slower": 9.0}, turns=5, seconds=0.05, patience=2.0)
        assert found == {"quick": [0.01] * 5, "slow": [1.0] * 3, "slower": [9.0]}

    def test_a_ratio_and_its_interval(self, load):
        ratio = load("speed.timing").ratio
        found = ratio([2.0, 2.2, 1.8, 2.0, 2.1], [1.0, 1.1, 0.9, 1.0, 1.0])
        assert found.value == 2.0
        assert found.low <= 2.0 <= found.high
        assert 1.5 < found.low < found.high < 2.5
        assert ratio([3.0], [1.0, 1.0, 2.0]) == load("speed.timing").Ratio(3.0, 3.0, 3.0)  # the rounds that both had

    def test_rounds_are_drawn_with_both_of_their_turns(self, load):
        rng = np.random.default_rng(0)
        slow = rng.uniform(1, 10, 30)  # a machine that is busy in some rounds
        found = load("speed.timing").ratio(2 * slow, slow)
        assert found.high - found.low < 1e-12


class TestFit:
    def test_an_exponent(self, load):
        x = [1.0, 2.0, 4.0, 8.0]
        found = load("speed.fit").fit(x, [3 * own**1.5 for own in x])
        assert found.exponent == pytest.approx(1.5)
        assert found.factor == pytest.approx(3.0)
        assert found.high - found.low < 1e-6

    def test_the_interval_has_its_rate(self, load):
        fit, rng, x = load("speed.fit").fit, np.random.default_rng(0), 2.0 ** np.arange(6)
        found = [fit(x, x * np.exp(0.1 * rng.normal(size=6))) for _ in range(4000)]
        inside = sum(own.low <= 1 <= own.high for own in found)
        assert abs(inside - 3800) < 5 * np.sqrt(4000 * 0.95 * 0.05)

    @pytest.mark.parametrize(("x", "y"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0, 3.0], [1.0, 0.0, 2.0])])
    def test_what_has_no_exponent(self, load, x, y):
        with pytest.raises(ValueError, match=r"needs three points or more, all positive, but x is \[1.0, 2.0"):
            load("speed.fit").fit(x, y)

    @pytest.mark.parametrize(("power", "held"), [(1.0, True), (1.2, False), (0.8, False)])
    def test_growth_is_judged(self, load, power, held):
        growth, sweeps = load("speed.growth"), load("speed.sweeps")
        sizes = [1.0, 10.0, 100.0, 1000.0]
        sweep = sweeps.Sweep("any", "seconds", "n", [(x, lambda: None) for x in sizes], 10.0, sweeps.LINEAR)
        values = [5.0, *(x**power for x in sizes[1:])]  # the first is overhead
        found = growth.Growth(sweep, tuple(sizes), tuple(values), load("speed.fit").fit(sizes[1:], values[1:]))
        assert found.held is held
        line = growth.cells(found)
        assert line[:4] == ["any: seconds against n", "10", "1,000", "3"]
        assert line[-1] == ("held" if held else "**missed**")

    def test_only_what_is_large_enough_is_fitted(self, load):
        growth, sweeps = load("speed.growth"), load("speed.sweeps")
        points = [(float(n), lambda n=n: bytearray(max(n, 4096))) for n in (1, 2**14, 2**15, 2**16)]
        found = growth.grow(sweeps.Sweep("any", "bytes", "n", points, 2.0**14, sweeps.LINEAR))
        assert found.fit.points == 3
        assert found.fit.exponent == pytest.approx(1, abs=0.01)  # some bytes beside those that were asked for


class TestCases:
    def case(self, load, **more):
        case = load("speed.case")
        goals = (
            case.Goal("refgrad", 1.3, "limit"),
            case.Goal("refgrad", 100, case.BEST, faster=True),
            case.Goal("refgrad", 0.5),
        )
        clocks = {"refgrad": lambda calls: 1.0, "limit": lambda calls: 0.8}
        return case.Case("a", "any", clocks, "limit", goals, **more)

    def measured(self, load, peers=(), **more):
        effort = load("speed.timing").Effort(turns=2, seconds=0.0, short=0.0)
        return {own.who: own for own in load("speed.measure").measure(self.case(load, **more), peers, effort, seed=0)}

    def test_goals_are_judged(self, load):
        found = self.measured(load)
        assert [judged.held for judged in found["refgrad"].judged] == [True, False]  # 1.25 is, .5 s is not; no peer
        assert [judged.figure for judged in found["refgrad"].judged] == [1.25, 1.0]
        assert found["refgrad"].held is False
        assert found["limit"].held is None
        assert list(load("speed.case").missed(found.values())) == [found["refgrad"]]

    def test_peers_that_are_wrong_or_fail_are_not_timed(self, load):
        def peer(name, answer, precision="float64", seconds=200.0):
            def prepare(task):
                if answer is None:
                    raise client.PeerError("it fails")
                return {"gradient": answer}

            def timed(calls):
                assert name not in {"wrong", "failing"}
                return seconds

            return type("Fake", (), {"name": name, "precision": precision, "prepare": prepare, "timed": timed})

        client, check = load("speed.client"), load("speed.rows._answers").same_gradient(np.array([0.5]), 100, 1.0)
        peers = [
            peer("right", [0.5]),
            peer("right, float32", [0.5 + 1e-7], "float32", 50.0),
            peer("wrong", [0.5 + 1e-7]),
            peer("nan", [float("nan")]),
            peer("failing", None),
        ]
        found = self.measured(load, peers, task={"kind": "table"}, check=check)
        assert {who for who, own in found.items() if own.peer and not own.skipped} == {"right", "right, float32"}
        assert found["wrong"].skipped.startswith("its gradient is off by 1e-07, and roundings explain 1.3e-14")
        assert found["nan"].skipped.startswith("its gradient is off by inf")
        assert found["failing"].skipped == "it fails"
        best = found["refgrad"].judged[1]
        assert (best.figure, best.held) == (1 / 200, True)  # float64 is the one to be compared with
        text = load("speed.table").markdown("any", list(found.values()))
        assert "* failing is skipped: it fails (any)" in text
        assert load("speed.table").places(["x", "y", "x"]) == "x; y"
        assert load("speed.table").places(["x", "y", "z"]) == "x; and 2 more"
        assert "| any | refgrad | 1 s | 1 s | 1.25 (1.25 to 1.25) | at most 1.3 x limit: 1.25; " in text
        assert "at least 100 x faster than the best peer: 200" in text

    def test_a_mean_that_is_off(self, load):
        rows = np.random.default_rng(0).normal(size=(10_000, 3))
        check = load("speed.rows._answers").same_mean(rows)
        error = [0.01] * 3
        assert check({"mean": [0.0, 0.01, 0.0], "error": error}, "float64") is None
        assert check({"mean": [0.0, 0.2, 0.0], "error": error}, "float64").startswith("its mean is off by 1")
        assert check({"mean": [0.0], "error": [0.01]}, "float64") == "its mean is off by inf standard errors"

    @pytest.mark.parametrize(("value", "held"), [(99.0, True), (101.0, False)])
    def test_facts_are_judged(self, load, value, held):
        case = load("speed.case")
        found = self.measured(load, facts=lambda seconds: [case.Fact("memory", value, "MiB", 100.0)])
        assert found["memory"].held is held
        assert load("speed.table").line(found["memory"])["value"] == value

    def test_f_alone_sees_every_configuration_once(self, load):
        seen = []
        for block in (1, 8, 64, 512):
            seen.clear()
            load("speed.rows.exact_callable").alone(lambda z: seen.append(z.copy()), 6, block)()
            assert np.array_equal(np.concatenate(seen), load("speed.inputs").support((6,)))

    @pytest.mark.parametrize("n", [1, 1000])
    def test_the_limit_draws_and_reads_what_the_estimator_does(self, load, monkeypatch, n):
        rows, sampling = load("speed.rows.sampling"), []
        monkeypatch.setattr(rows._blocks, "BLOCK", 600)  # of 100 numbers a row: blocks of 6, or 3 with two draws
        for estimator, values in rows.VALUES.items():
            for threads in (0, 1, 3):
                seen, rng = [], np.random.default_rng(0)
                f = lambda z, seen=seen: seen.append(z.copy())  # noqa: E731
                if threads:
                    with ThreadPoolExecutor(threads) as executor:
                        rows.limit_in_threads(estimator, f, (20, 5), n, rng, executor)
                else:
                    rows.limit(estimator, f, (20, 5), n, rng)
                assert sum(map(len, seen)) == values * n
                assert max(map(len, seen)) <= 600 // (100 * estimator.draws)
                assert rng.random() == np.random.default_rng(0).random(estimator.draws * n * 100 + 1)[-1]
                if threads < 2:
                    sampling.append(np.concatenate(seen))
                    assert len(np.unique(sampling[-1][:, 0, 0])) == n  # no block is overwritten before f has seen it
        assert all(np.array_equal(*sampling[i : i + 2]) for i in range(0, len(sampling), 2))

    @pytest.mark.parametrize("shape", [(4,), (3, 3)])
    def test_configurations_are_in_the_order_of_the_support(self, load, shape):
        q = load("speed.problems").q_of(shape, 0)
        assert np.array_equal(load("speed.inputs").support(shape), q.support())

    def test_memory_is_that_of_the_work(self, load):
        resident, traced = load("speed.memory").peaks(4, "Written", 0)
        assert 0 <= resident < 2**24
        assert 0 < traced < 2**20


PEER = """
import sys
sys.path.insert(0, {folder!r})
from speed.peer import serve

class Library:
    VERSION = "1.0"

    @staticmethod
    def prepare(task, precision):
        if task["kind"] == "sample":
            raise NotImplementedError("has no samples")
        if task["kind"] == "end":
            sys.exit(3)
        return lambda number: [precision == "float64", number]

{before}
serve(Library, sys.argv[2], sys.stdin, sys.stdout)
"""


class TestPeers:
    @pytest.fixture
    def peer(self, load):
        made = []

        def start(before="", precision="float64"):
            command = [sys.executable, "-c", PEER.format(folder=str(FOLDER), before=before)]
            made.append(load("speed.client").Peer("fake", precision, command))
            return made[-1]

        yield start
        for own in made:
            own.close()

    def test_it_prepares_and_runs(self, peer):
        own = peer()
        assert (own.name, own.version) == ("fake", "1.0")
        assert own.prepare({"kind": "table"}) == {"gradient": [1.0, 1.0]}
        assert own.timed(3) > 0
        assert own.prepare({"kind": "table"}) == {"gradient": [1.0, 5.0]}  # its fifth call
        assert peer(precision="float32").name == "fake, float32"

    def test_what_fails_is_an_answer_and_it_goes_on(self, load, peer):
        own = peer()
        with pytest.raises(load("speed.client").PeerError, match=r"^has no samples$"):
            own.prepare({"kind": "sample"})
        with pytest.raises(load("speed.client").PeerError, match="needs 'prepare' and then 'run'"):
            own.timed(1)
        assert own.prepare({"kind": "table"}) == {"gradient": [1.0, 1.0]}

    def test_one_that_ends(self, load, peer):
        own = peer()
        with pytest.raises(load("speed.client").PeerError, match=r"^its process has ended with status 3$"):
            own.prepare({"kind": "end"})
        with pytest.raises(load("speed.client").PeerError, match="its process has ended"):
            own.timed(1)

    def test_one_that_says_something_else(self, load, peer):
        with pytest.raises(load("speed.client").PeerError, match="needs to answer in JSON, but said 'hello"):
            peer(before="print('hello', flush=True)")

    def test_no_interpreter(self, load):
        with pytest.raises(load("speed.client").PeerError, match=r"^its interpreter does not start: .*No such file"):
            load("speed.client").Peer("JAX", "float64", ["/nowhere/python"])

    def test_libraries_that_are_not_there_are_skipped_by_name(self, load):
        client, known = load("speed.client"), load("speed.peers").KNOWN
        with client.peers(None) as (found, absent):
            assert found == []
        assert absent == dict.fromkeys(known, "REFGRAD_PEERS_PYTHON names no interpreter")
        with client.peers("/nowhere/python") as (found, absent):
            assert found == []
        assert set(absent) == set(known)

    def test_estimates_are_told_by_their_means(self, load):
        answer = load("speed.peer").answer_of("sample", [[0.0, 2.0], [2.0, 2.0]])
        assert answer == {"mean": [1.0, 2.0], "error": [1 / np.sqrt(2), 0.0]}

    @pytest.mark.parametrize("name", ["numpyro", "pyro", "JAX", "torch", "storchastic"])
    def test_the_real_ones_answer_what_refgrad_does(self, load, name):
        client, problems = load("speed.client"), load("speed.problems")
        python = os.environ.get(client.VARIABLE)
        if python is None:
            pytest.skip(f"{client.VARIABLE} names no interpreter")
        try:
            own = client.Peer(name, "float64", [python, "-m", "speed.peer"])
        except client.PeerError as error:
            pytest.skip(f"peer {name} is not installed: {error}")
        try:
            answer = own.prepare({"kind": "table", "shape": (4,), "seed": 0})
        finally:
            own.close()
        gradient = exact.gradient(problems.q_of((4,), 0), problems.table((4,), 0))
        assert load("speed.rows._answers").same_gradient(gradient, 16, 1.5)(answer, "float64") is None


class TestHistory:
    def entry(self, load, ratios, **more):
        ratios = {key: [value, 0.95 * value, 1.05 * value] for key, value in ratios.items()}
        return {"date": "then", "quick": False, "machine": load("speed.machine").machine(), "ratios": ratios, **more}

    def test_what_has_changed(self, load):
        compared = load("speed.history").compared
        before = self.entry(load, {"a | x": 1.0, "a | y": 1.0, "a | z": 1.0, "a | old": 1.0, "c | other": 1.0})
        now = self.entry(load, {"a | x": 1.3, "a | y": 0.7, "a | z": 1.19, "a | new": 1.0})
        found = compared(now, [before], "a")
        assert found.worse == found.certain == ("a | x: 1 -> 1.3 (+30%)",)
        assert found.better == ("a | y: 1 -> 0.7 (-30%)",)
        assert found.new == ("a | new",)
        assert found.gone == ("a | old",)  # row c was not asked for
        assert str(found).splitlines()[:3] == [
            "Beside the run of then, on the same kind of machine:",
            "worse: 1",
            "  a | x: 1 -> 1.3 (+30%)",
        ]

    def test_what_may_be_chance_is_not_certain(self, load):
        now = self.entry(load, {"a | x": 1.3})
        now["ratios"]["a | x"][1] = 1.0
        found = load("speed.history").compared(now, [self.entry(load, {"a | x": 1.0})], "a")
        assert found.worse == ("a | x: 1 -> 1.3 (+30%), but the intervals overlap",)
        assert found.certain == ()

    def test_the_last_run_of_the_same_kind_of_machine(self, load):
        compared, now = load("speed.history").compared, self.entry(load, {"a | x": 1.0})
        elsewhere = self.entry(load, {"a | x": 9.0}, machine={"cpu": "another", "cores": 64})
        quick = self.entry(load, {"a | x": 5.0}, quick=True)
        found = compared(
            now, [self.entry(load, {"a | x": 7.0}), self.entry(load, {"a | x": 1.0}), elsewhere, quick], "a"
        )
        assert str(found) == ("Beside the run of then, on the same kind of machine:\nno ratio changed by more than 20%")
        found = compared(now, [elsewhere, quick], "a")
        assert found.against == "Beside the run of then, on another kind of machine: another:"
        assert found.better == ("a | x: 9 -> 1 (-89%)",)
        assert str(compared(now, [quick], "a")) == "No run is recorded yet to compare with."

    def test_the_file_that_comes_along_can_be_read(self, load):
        history = load("speed.history")
        assert history.FILE.parent == FOLDER
        assert all(run["ratios"] for run in history.recorded(history.FILE))

    @pytest.mark.parametrize(("strict", "status"), [([], 0), (["--strict"], 1)])
    def test_a_ratio_that_is_worse(self, load, capsys, monkeypatch, tmp_path, strict, status):
        main, case, kept = load("run"), load("speed.case"), tmp_path / "history.jsonl"
        monkeypatch.delenv("REFGRAD_PEERS_PYTHON", raising=False)
        for seconds in (1.0, 2.0):
            clocks = {"refgrad": lambda calls, own=seconds: own, "limit": lambda calls: 1.0}
            row = type("Row", (), {"TITLE": "any", "cases": lambda plan, c=clocks: [case.Case("a", "x", c, "limit")]})
            monkeypatch.setattr(main, "ROWS", {"a": row})
            found = main.main(["--rows", "a", "--history", str(kept), "--record", *strict])
            assert found == (status if seconds == 2.0 else 0)
        assert "a | x | refgrad: 1 -> 2 (+100%)" in capsys.readouterr().out
