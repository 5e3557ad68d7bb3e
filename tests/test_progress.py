"""What a long loop says: a bar on a terminal, at most a line now and then in a log, nothing for a short loop in one."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

from biorobust.core import progress as module
from biorobust.core.progress import progress

ROOT = Path(__file__).resolve().parent.parent


def test_a_loop_gives_its_items_and_a_short_one_leaves_no_line(capsys):
    assert list(progress([3, 1, 2], label="counting", unit="numbers")) == [3, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_long_loop_in_a_log_says_what_how_far_and_how_long(capsys, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)
    with progress(label="training", unit="steps", total=4, initial=1) as bar:
        bar.now("training, epoch 2 of 2")
        for _ in range(3):
            bar.update()
    log = capsys.readouterr().err
    lines = log.splitlines()
    assert [line.split(", 00:")[0] for line in lines[-3:]] == [
        f"training, epoch 2 of 2: {n} of 4 steps" for n in (2, 3, 4)
    ]
    assert all(line.endswith(" left") for line in lines)
    assert "\r" not in log


def test_on_a_terminal_a_bar_is_drawn_over_itself_and_leaves_nothing():
    program = (
        "import time; from biorobust.core.progress import progress\n"
        "for _ in progress(range(3), label='attacks on x', unit='seeds'): time.sleep(0.15)\n"
    )
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", program], stderr=slave, env=environment, check=True)
    os.close(slave)
    drawn = os.read(master, 65536).decode()
    assert "attacks on x:  33%" in drawn
    assert "1/3 [00:00<00:00" in drawn
    assert drawn.split("\r")[-2].strip() == ""
