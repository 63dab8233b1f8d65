"""Copies of the process: the same results as threads, in order, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_command import COMMAND, clean_environment, run_process

COUNT = 120
OPTIONS = ("-s", "0.1sd", "--seed", 1)
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")


def write_tables(folder, rows, count=COUNT):
    folder.mkdir()
    for number in range(count):
        text = "".join(f"{number + row / 2},{row}.25\n" for row in range(rows))
        (folder / f"t{number:03d}.csv").write_text(f"x,y\n{text}")
    return sorted(folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@linux
def test_many_files_come_out_as_one_process_makes_them(tmp_path):
    tables = write_tables(tmp_path / "in", 3)
    tables[3].write_text("x,y\n")
    tables[50].write_text("x,y\n1.5,2.5\nragged\n")
    tables[70].unlink()
    tables[119].write_text("x,y\n1.5,2.5\nhigh,3.5\n")
    found = []
    for jobs in (1, 3):
        out = tmp_path / f"{jobs}"
        done = run_process(
            *tables, "--output-dir", out, "--sweep", "scale=0.1,5%", "--where", "y > 1", "-v",
            "--report", tmp_path / f"r{jobs}.json", "-j", jobs, "--seed", 1,
        )  # fmt: skip
        report = (tmp_path / f"r{jobs}.json").read_text()
        told = [text.replace(f"{out}/", "OUT/") for text in (done.messages, report)]
        found.append((done.status, *told, contents(out)))
    assert found[0] == found[1]
    assert 3 == found[0][0]
    assert 2 * (COUNT - 2) + 1 == len(found[0][3])


STOPS = {
    "terminated": (lambda process, _: process.terminate(), 143),
    "interrupted at a terminal": (lambda process, _: os.killpg(process.pid, signal.SIGINT), 130),
    "a copy terminated": (lambda _, copies: os.kill(copies[0], signal.SIGTERM), 143),
    "a copy killed": (lambda _, copies: os.kill(copies[0], signal.SIGKILL), 1),
    "killed": (lambda process, _: process.kill(), -9),
}
QUICK_STOPS = {"interrupted at a terminal", "a copy killed"}


@linux
@pytest.mark.parametrize(
    "how",
    [pytest.param(how, marks=() if how in QUICK_STOPS else pytest.mark.slow) for how in STOPS],
)
def test_a_stop_leaves_whole_files_only_and_no_process(tmp_path, how):
    write_tables(tmp_path / "in", 600)
    out = tmp_path / "out"
    stop, status = STOPS[how]
    process = subprocess.Popen(
        [*COMMAND, str(tmp_path / "in"), "-o", str(out), "-j", "2", *map(str, OPTIONS)],
        env=clean_environment(), stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while not (out.exists() and any(out.glob("*.csv"))):
        time.sleep(0.002)
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    copies = [int(number) for number in listed.split()]
    if len(copies) < 2:
        process.communicate(timeout=60)
        pytest.skip("was done before it could be stopped")
    stop(process, copies)
    _, messages = process.communicate(timeout=60)
    while any(map(is_running, copies)):  # a killed process cannot wait for its copies
        time.sleep(0.002)
    made = contents(out)
    assert status == process.returncode, messages
    assert (0 if how == "killed" else 1) == len(messages.splitlines())
    if how == "a copy killed":  # nobody else knows what it had begun
        made = {name: data for name, data in made.items() if not name.startswith(".")}
        assert b"a process of this run was ended by signal 9" in messages
    assert {600 + 1} == {content.count(b"\n") for content in made.values()}
    assert all(name.startswith("t") for name in made)


def is_running(number):
    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


PROGRAM = """
import os, sys, threading
from noisify.engine.processes import can_copy, process_map

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def work(item, tell):
    tell(item)
    if item == 7:
        raise Odd("seven", 2)
    if item == 9:
        raise ValueError("nine")
    return item * item, os.getpid()

told, read, results = [], [], []
def items():
    for item in range(2, 1000):
        read.append(item)
        yield item
assert can_copy()
try:
    for square, process in process_map(work, [0, 1], items(), told.append):
        results.append(square)
        assert process != os.getpid()
except RuntimeError as error:
    assert "Odd: seven" == str(error), error
assert [0, 1, 4, 9, 16, 25, 36] == results
assert {*range(8)} <= {*told}
assert len(read) < 20, read
squares = [square for square, _ in process_map(work, [0, 1], [2, 3], told.append)]
assert [0, 1, 4, 9] == squares
done = threading.Event()
threading.Thread(target=done.wait).start()
assert not can_copy()
done.set()
"""


@linux
def test_results_come_in_order_and_the_first_failure_ends_it():
    subprocess.run([sys.executable, "-c", PROGRAM], env=clean_environment(), check=True)
