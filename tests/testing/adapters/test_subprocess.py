"""Programs that behave, and programs that do not: what is said of them, and that nothing is left running."""

import gc
import os
import pickle
import re
import select
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from refgrad.estimators import Reinforce
from refgrad.testing import Problem, SamplerError, check_expectation, check_pathwise, check_unbiased, standard_problems
from refgrad.testing.adapters import Subprocess, SubprocessError, _channel

TOY, PAIR = standard_problems("bernoulli")[0], standard_problems("bernoulli")[3]
INTERACTIONS = standard_problems("bernoulli")[2]
SHORT = 0.3  # seconds, where no answer comes anyway

# What the programs of these tests begin with.
HEAD = """
import json, math, os, random, signal, subprocess, sys, time

def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()

def complain(text):
    sys.stderr.write(text)
    sys.stderr.flush()

def ask():
    return json.loads(sys.stdin.readline())

def answer(asked, rows=None, end="\\n"):
    size = math.prod(asked["shape"])
    write(json.dumps({"id": asked["id"], "rows": [0.5] * (asked["n"] * size) if rows is None else rows}) + end)
"""

REINFORCE = """
factor = float(sys.argv[1])
for line in sys.stdin:
    asked = json.loads(line)
    logits, values = asked["logits"], asked["objective"]["values"]
    probs, rng, rows = [1 / (1 + math.exp(-l)) for l in logits], random.Random(asked.get("seed")), []
    for i in range(asked["n"]):
        if "noise" in asked:
            z = [l + v > 0 for l, v in zip(logits, asked["noise"][0][i])]
        else:
            z = [rng.random() < p for p in probs]
        f = values[sum(k << d for d, k in enumerate(reversed(z)))]
        rows.append([factor * f * (k - p) for k, p in zip(z, probs)])
    answer(asked, rows)
"""


def program(body, *arguments, timeout=60.0):
    return Subprocess([sys.executable, "-S", "-E", "-c", HEAD + textwrap.dedent(body), *arguments], timeout=timeout)


def call(estimate, problem=TOY, n=4):
    return estimate(problem, n, np.random.default_rng(0))


def running(pid):
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def pid_of(estimate):
    return estimate._channel.process.pid


def fails(estimate, *arguments, **options):
    """The message of a failure, after which the program is gone, its pipes are closed, and another call says so."""
    channel = estimate._channel
    with pytest.raises(SubprocessError) as caught:
        call(estimate, *arguments, **options)
    message = str(caught.value)
    assert message.startswith("the program ")
    assert sys.executable in message
    assert channel.process.returncode is not None
    assert not running(channel.process.pid)
    assert channel.process.stdin.closed
    assert channel.process.stdout.closed
    assert channel.process.stderr.closed
    with pytest.raises(SubprocessError, match="is ended, since it failed before: the program "):
        call(estimate)
    estimate.close()
    return message


# Programs that behave.


def test_a_right_program_is_right_and_a_wrong_one_is_wrong():
    with program(REINFORCE, "1") as estimate:
        assert check_unbiased(estimate, INTERACTIONS, estimator=Reinforce()).outcome == "right"
        assert check_expectation(estimate, INTERACTIONS, Reinforce()).outcome == "right"
        assert check_pathwise(estimate, Reinforce(), [INTERACTIONS, PAIR]).outcome == "right"
    assert not running(pid_of(estimate))
    with program(REINFORCE, "0.75") as estimate:
        verdict = check_unbiased(estimate, INTERACTIONS, causes=False)
        assert verdict.outcome == "wrong"
        assert check_expectation(estimate, INTERACTIONS, Reinforce()).outcome == "wrong"
        assert check_pathwise(estimate, Reinforce(), [PAIR]).outcome == "wrong"


def test_the_seed_comes_from_the_generator():
    with program(REINFORCE, "1") as estimate:
        one, other, third = (estimate(PAIR, 32, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == other).all()
    assert (one != third).any()


def test_noise_of_another_shape_is_refused_and_the_program_goes_on():
    with program(REINFORCE, "1") as estimate:
        with pytest.raises(ValueError, match=r"noise needs shape \(draws, n, 2\), but has shape \(4, 2\)"):
            estimate(PAIR, np.zeros((4, 2)))
        assert call(estimate).shape == (4, 1)


def test_a_problem_that_cannot_be_sent_is_refused_and_the_program_goes_on():
    infinite = Problem(TOY.q, lambda z: np.where(z[..., 0] == 1, np.inf, 1.0), "infinite")
    with program(REINFORCE, "1") as estimate:
        with pytest.raises(ValueError, match="f needs to return finite values"):
            call(estimate, infinite)
        assert call(estimate).shape == (4, 1)


def test_an_error_of_its_own_is_said_and_the_program_goes_on():
    body = """
        asked = ask()
        write(json.dumps({"id": asked["id"], "error": "only categorical"}) + chr(10))
        answer(ask())
    """
    with program(body) as estimate:
        with pytest.raises(SubprocessError, match=r"^the program .* says: only categorical$"):
            call(estimate)
        assert call(estimate).tolist() == [[0.5]] * 4


def test_what_is_not_finite_is_counted():
    body = """
        while True:
            asked = ask()
            answer(asked, [None] * asked["n"])
    """
    with program(body) as estimate:
        verdict = check_unbiased(estimate, TOY)
    assert verdict.outcome == "wrong"
    assert "not finite" in verdict.reason


def test_an_answer_larger_than_a_pipe_and_much_standard_error_come_through():
    body = """
        asked = ask()
        complain("x" * 10_000_000)
        answer(asked)
        answer(ask())
    """
    with program(body) as estimate:
        assert call(estimate, n=100_000).shape == (100_000, 1)
        assert len(estimate._channel._complaints) <= _channel.KEPT
        assert call(estimate).shape == (4, 1)


def test_calls_from_many_threads_wait_for_each_other():
    seeds, start = range(16), Barrier(16)
    with program(REINFORCE, "1") as estimate:
        expected = [estimate(PAIR, 64, np.random.default_rng(seed)) for seed in seeds]

        def at_once(seed):
            start.wait()
            return estimate(PAIR, 64, np.random.default_rng(seed))

        with ThreadPoolExecutor(16) as threads:
            rows = list(threads.map(at_once, seeds))
    assert np.array_equal(rows, expected)


def test_a_number_of_rows_that_makes_no_sense_is_not_sent():
    with program(REINFORCE, "1") as estimate:
        with pytest.raises(ValueError, match="n needs to be at least 0, but is -1"):
            call(estimate, n=-1)
        with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
            call(estimate, n=1.5)
        assert call(estimate, n=np.int64(0)).shape == (0, 1)
        assert estimate._calls == 1


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ([sys.executable, "-c", "input()"], f"{Path(sys.executable).name} -c 'input()'"),
        (["/bin/cat", "-", "/dev/null"], "cat - /dev/null"),
        (["cat", "\x1b[2J"], r"cat '\x1b[2J'"),
        (["/bin/cat", *["-"] * 40], "cat" + " -" * 28 + " ..."),
        ([b"/bin/cat", Path("/dev/null")], "cat /dev/null"),
    ],
    ids=["code", "path", "not printable", "long", "bytes and a path"],
)
def test_a_name_for_reports(command, name):
    with Subprocess(command) as estimate:
        assert estimate.__name__ == name


def test_a_command_in_messages():
    with program("ask()") as estimate:
        assert repr(estimate).startswith(f"Subprocess(['{sys.executable}', '-S'")
        estimate.command = ["./my program", "x" * 300]
        assert estimate._called == "the program './my program' " + "x" * 185 + "..."


# Programs that do not.


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(SubprocessError, match=r"the program ./nowhere --flag does not start: .*No such file"):
        Subprocess(["./nowhere", "--flag"])
    with pytest.raises(SubprocessError, match=r"does not start: .*Permission denied"):
        Subprocess([tmp_path])
    with pytest.raises(SubprocessError, match=r"the program '\\x1b\[2J' does not start: .*: '\\x1b\[2J'$"):
        Subprocess(["\x1b[2J"])
    (tmp_path / "x").write_bytes(b"\x00")
    (tmp_path / "x").chmod(0o755)
    with pytest.raises(SubprocessError, match=r"does not start: .*Exec format error: '[^;]*'$"):
        Subprocess([tmp_path / "x"])


def test_a_program_in_this_folder_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "est.js").touch()
    with pytest.raises(SubprocessError, match=r"No such file.*'est.js'; for the file of that name .* say ./est.js$"):
        Subprocess(["est.js"])
    (tmp_path / "\x07").touch()
    with pytest.raises(SubprocessError, match=r"say ./\\x07$"):
        Subprocess(["\x07"])
    with pytest.raises(SubprocessError, match=r"No such file or directory: 'other.js'$"):
        Subprocess(["other.js"])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "sys.exit('no licence')",
            "ended with exit status 1 without an answer\n    its standard error ends with:\n    no l",
        ),
        ("pass", "ended with exit status 0 without an answer"),
        ("ask(); os.kill(os.getpid(), signal.SIGKILL)", "was ended by the signal SIGKILL without an answer"),
        ("ask(); os.kill(os.getpid(), signal.SIGRTMIN + 3)", f"was ended by the signal {signal.SIGRTMIN + 3} without"),
        (
            "answer(ask(), end='')",
            'ended with exit status 0 after half a line, \'{"id": 0, "rows": [0.5, 0.5, 0.5, 0.5]}\'',
        ),
        ("ask(); os.close(1); time.sleep(600)", "closed its standard output without an answer"),
        ("ask(); write('hello' + chr(10)); time.sleep(600)", "needs to answer in JSON, but wrote 'hello' ("),
        (
            "asked = ask(); asked['id'] += 1; answer(asked)",
            'needs to answer with "id": 0, but wrote \'{"id": 1, "rows"',
        ),
        ("answer(ask(), [1.0])", "needs to answer with 4 rows of 1, nested as [4, 1] or flat, but their shape is (1,)"),
        (
            "ask(); write('{}' + chr(10) + '{}' + chr(10))",
            "answered one request twice: after the end of the line came '{}",
        ),
        ("ask(); complain(chr(10).join(map(str, range(10**5))))", "ends with:\n    99988\n    99989\n"),
        ("ask(); complain('\\x1b[2J\\x1b]0;gone\\x07')", r"ends with:" + "\n    " + r"\x1b[2J\x1b]0;gone\x07"),
        (
            "ask(); write(json.dumps({}).encode('utf-16-le').decode() + chr(10) + chr(0))",
            "came '\\x00' (zero bytes: is it",
        ),
    ],
)
def test_what_is_said_of_a_program_that_fails(body, text):
    assert text in fails(program(body))


STACK = [f"    at f (est.js:{line}:9)" for line in range(20)]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (
            ["est.js:9", "", "Error: no licence", *STACK, "", "v20"],
            ["Error: no licence", "...", *STACK[10:], "", "v20"],
        ),
        (["a", "ERROR: no licence", "Stacktrace:", *STACK], ["ERROR: no licence", "Stacktrace:", "...", *STACK[8:]]),
        (["a", "Error: no licence", *STACK[:12]], ["a", "Error: no licence", *STACK[:12]]),
        (["Error: no licence", *STACK[:11]], ["Error: no licence", *STACK[:11]]),
        (["a", "b", *STACK, *"0123456789ab"], list("0123456789ab")),
        (["Error: no licence", *STACK, "", *STACK], ["Error: no licence", "...", *STACK[8:]]),
        (STACK, [STACK[0], "...", *STACK[8:]]),
    ],
    ids=["node", "julia", "next to it", "all", "no stack", "two parts", "nothing but a stack"],
)
def test_the_message_above_a_stack_is_shown(lines, shown):
    assert _channel._last(lines) == shown


def test_what_is_shown_of_standard_error_is_printable_and_keeps_its_stack():
    stack = r"'\tat Main.f(Main.java:3)\n' * 20"
    message = fails(program(f"ask(); complain('Exception: \\x1b[31mno licence\\n' + {stack})"))
    at = "            at Main.f(Main.java:3)"
    assert message.splitlines()[1:] == [
        "    its standard error ends with:",
        r"    Exception: \x1b[31mno licence",
        "    ...",
        *[at] * 12,
    ]


def test_it_writes_without_end():
    message = fails(program("ask()\nwhile True: write('1' * 65536)"))
    written, enough = re.search(
        r"wrote ([\d,]+) bytes without an end of the line; ([\d,]+) are enough", message
    ).groups()
    assert enough == "65,792"  # 64 for each of 4 numbers, and 2**16 beside them
    assert int(written.replace(",", "")) <= 65_792 + _channel.CHUNK


def test_it_fails_in_the_middle():
    estimate = program("answer(ask()); ask(); 1 / 0")
    assert call(estimate).shape == (4, 1)
    message = fails(estimate)
    assert "ended with exit status 1 without an answer" in message
    assert message.endswith("\n    ZeroDivisionError: division by zero")


def test_what_comes_unasked_is_not_taken_for_an_answer(tmp_path):
    body = """
        answer(ask())
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        write('{"id": 1}')
        time.sleep(600)
    """
    estimate = program(body, str(tmp_path / "now"))
    assert call(estimate).shape == (4, 1)
    (tmp_path / "now").touch()
    assert select.select([estimate._channel._out], [], [], 60)[0]
    assert "answered twice, or before it was asked: '{\"id\": 1}'" in fails(estimate)


def test_it_says_nothing():
    assert "gave no answer within 0.3 s" in fails(program("ask(); time.sleep(600)", timeout=SHORT))


def test_it_says_half_a_line_and_no_more():
    estimate = program("answer(ask()); asked = ask(); write('{\"id\": 1, '); complain('.'); time.sleep(600)")
    call(estimate)
    estimate.timeout = 1.0
    assert "gave no answer within 1 s after half a line, '{\"id\": 1, '" in fails(estimate)


def test_an_answer_that_is_late_is_an_answer_to_nothing():
    estimate = program(f"asked = ask(); time.sleep({2 * SHORT}); answer(asked)", timeout=SHORT)
    assert "gave no answer within 0.3 s" in fails(estimate)


def test_it_complains_without_end():
    message = fails(program("while True: complain('x' * 65536)", timeout=SHORT))
    assert "gave no answer within 0.3 s" in message
    assert len(message) < 10_000


def test_it_does_not_read():
    estimate = program("time.sleep(600)", timeout=SHORT)
    with pytest.raises(SubprocessError, match=r"within 0.3 s, and left [\d,]+ of [\d,]+ bytes of the request unread"):
        estimate(TOY, np.zeros((1, 100_000, 1)))
    assert not running(pid_of(estimate))


def test_it_answers_before_it_has_read():
    estimate = program("os.read(0, 9); answer({'shape': [1], 'n': 4, 'id': 0}); os.close(0); time.sleep(600)")
    with pytest.raises(SubprocessError, match="answered before it had read the whole request"):
        estimate(TOY, np.zeros((1, 100_000, 1)))
    assert not running(pid_of(estimate))


def test_a_check_says_which_call_failed():
    said = r"n=1024, .* raised SubprocessError: the program .* exit status 3 without"
    with program("ask(); sys.exit(3)") as estimate, pytest.raises(SamplerError, match=said):
        check_unbiased(estimate, TOY)


# What is left running: nothing.

CHILD = """
    child = subprocess.Popen([sys.executable, "-S", "-E", "-c", "import time; time.sleep(600)"])
    asked = ask()
    answer(asked, [child.pid] * asked["n"])
"""


@pytest.mark.parametrize("then", ["ask()", "time.sleep(600)", "sys.exit()"])
def test_children_are_ended_too(then, monkeypatch):
    monkeypatch.setattr(_channel, "PATIENCE", 1.0)
    with program(CHILD + "    " + then) as estimate:
        child = int(call(estimate)[0, 0])
        assert running(child)
    assert not running(child)
    assert not running(pid_of(estimate))


def test_children_are_ended_after_a_failure_too():
    estimate = program(CHILD + "    ask(); sys.exit(3)")
    child = int(call(estimate)[0, 0])
    assert "ended with exit status 3 without an answer" in fails(estimate)  # although the child holds the pipe open
    assert not running(child)


def test_a_child_that_is_left_and_complains_without_end_is_not_heard_forever(monkeypatch):
    estimate = program(CHILD + "    ask()")  # the child holds the pipes open
    call(estimate)
    turn = estimate._channel._turn
    monkeypatch.setattr(estimate._channel, "_turn", lambda seconds: turn(seconds) or True)  # there is always more
    estimate.timeout = 1.0
    assert "ended with exit status 0 without an answer" in fails(estimate)


def test_a_program_that_will_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(_channel, "PATIENCE", 0.2)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); answer(ask())\nwhile True: time.sleep(600)"
    with program(body) as estimate:
        call(estimate)
        assert running(pid_of(estimate))
    assert estimate._channel.process.returncode == -signal.SIGKILL


def test_the_end_of_its_input_is_enough(tmp_path):
    body = "answer(ask()); sys.stdin.read(); complain('x' * 10**6); open(sys.argv[1], 'w').write('done')"
    with program(body, str(tmp_path / "last")) as estimate:
        call(estimate)
    assert (tmp_path / "last").read_text() == "done"
    assert estimate._channel.process.returncode == 0
    with pytest.raises(SubprocessError, match=r"is ended, since it was closed$"):
        call(estimate)
    estimate.close()


def test_without_with_it_ends_with_the_object():
    estimate = program("answer(ask()); ask()")
    call(estimate)
    pid = pid_of(estimate)
    assert running(pid)
    del estimate
    gc.collect()
    assert not running(pid)


def test_what_it_writes_at_its_end_is_not_kept():
    estimate = program("answer(ask()); sys.stdin.read(); write('x' * 10_000_000)")
    call(estimate)
    estimate.close()
    assert estimate._channel.process.returncode == 0
    assert len(estimate._channel._heard) <= _channel.CHUNK


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system does not list what is open")
def test_nothing_is_left_open():
    gc.collect()
    before = len(os.listdir("/dev/fd"))
    kept = [Subprocess(["cat"]) for _ in range(30)]
    assert len(os.listdir("/dev/fd")) >= before + 4 * 30
    for estimate in kept:
        estimate.close()
    assert len(os.listdir("/dev/fd")) <= before


def script(body):
    """Another process of ours, that starts a program."""
    code = f"""
import os, signal, sys
import numpy as np
from refgrad.testing import standard_problems
from refgrad.testing.adapters import Subprocess
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it, and so would this
HEAD = {HEAD!r}
def start(body):
    return Subprocess([sys.executable, "-S", "-E", "-c", HEAD + body])
def call(estimate):
    return estimate(standard_problems()[0], 4, np.random.default_rng(0))
""" + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_ends_with_the_interpreter():
    done = script("estimate = start('ask(); time.sleep(600)'); print(estimate._channel.process.pid, flush=True)")
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, "")
    assert not running(int(out))


def test_an_interrupt_of_ours_ends_it():
    ours = script(
        """
        estimate = start("ask(); os.kill(os.getppid(), signal.SIGINT); time.sleep(600)")
        print(estimate._channel.process.pid, flush=True)
        try:
            call(estimate)
        except KeyboardInterrupt:
            print(estimate._channel.process.returncode, estimate._ended)
        """
    )
    out, err = ours.communicate(timeout=60)
    pid, said = out.splitlines()
    assert (ours.returncode, said, err) == (0, "-15 a call was interrupted by KeyboardInterrupt", "")
    assert not running(int(pid))


IGNORANT = """
def interrupt(*_):
    os.kill(os.getppid(), signal.SIGINT)

signal.signal(signal.SIGTERM, interrupt)
"""


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("answer(ask()); ask(); interrupt()", "call(estimate)"),
        ("answer(ask()); sys.stdin.read(); interrupt()", "estimate.close()"),
    ],
    ids=["call", "close"],
)
def test_an_interrupt_while_it_is_ended_kills_it(body, what):
    """It interrupts us, and once more when SIGTERM comes, and lives on."""
    endless = IGNORANT + body + "\nwhile True: time.sleep(600)"
    ours = script(
        f"""
        estimate = start({endless!r})
        call(estimate)
        channel = estimate._channel
        print(channel.process.pid, flush=True)
        try:
            {what}
        except KeyboardInterrupt:
            print(channel.process.returncode, channel._in.closed, channel._out.closed, channel._err.closed)
        estimate.close()
        """
    )
    out, err = ours.communicate(timeout=60)
    pid, said = out.splitlines()
    alive = running(int(pid))
    if alive:
        os.killpg(int(pid), signal.SIGKILL)
    assert (ours.returncode, said, err, alive) == (0, "-9 True True True", "", False)


def test_a_process_that_is_forked_off_leaves_it_alone():
    done = script(
        """
        estimate = start("answer(ask()); answer(ask())")
        call(estimate)
        child = os.fork()
        if not child:
            try:
                call(estimate)
            except RuntimeError as error:
                print(str(error)[-80:], flush=True)
            estimate.close()
            del estimate
            sys.exit()
        os.waitpid(child, 0)
        print(call(estimate).shape)
        """
    )
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, "")
    said, shape = out.splitlines()
    assert said.endswith("belongs to another process: start a Subprocess in this one")
    assert shape == "(4, 1)"


def test_it_is_not_pickled():
    said = r"the program .* cannot be pickled: start a Subprocess in every process"
    with program("ask()") as estimate, pytest.raises(TypeError, match=said):
        pickle.dumps(estimate)


def test_another_system_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SubprocessError, match="needs a POSIX system, but this is Windows"):
        Subprocess(["x"])


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"command": "./x --flag"}, TypeError, "command needs to be a list of words, but is './x --flag'"),
        ({"command": None}, TypeError, "command needs to be a list of words, but is None"),
        ({"command": []}, ValueError, r"command needs the name of a program first, but is \[\]"),
        ({"command": [""]}, ValueError, r"command needs the name of a program first, but is \[''\]"),
        ({"command": ["x"], "timeout": 0}, ValueError, "timeout needs to be positive and finite, but is 0"),
        ({"command": ["x"], "timeout": np.inf}, ValueError, "timeout needs to be positive and finite, but is inf"),
        ({"command": ["x"], "timeout": 10**400}, ValueError, "timeout needs to be positive and finite, but is inf"),
        ({"command": ["x"], "timeout": np.nan}, ValueError, "timeout needs to be positive and finite, but is nan"),
        ({"command": ["x"], "timeout": True}, TypeError, "timeout needs to be a number of seconds, but is True"),
        ({"command": ["x"], "timeout": "9"}, TypeError, "timeout needs to be a number of seconds, but is '9'"),
    ],
)
def test_arguments_that_make_no_sense(arguments, kind, text):
    with pytest.raises(kind, match=text):
        Subprocess(**arguments)
