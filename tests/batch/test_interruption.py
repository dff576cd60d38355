"""Ctrl-C while Python is in a finaliser, which drops every exception."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from recog.batch.interruption import Interruption

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")


class Finalised:
    """SIGINT comes while it is being finalised."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))  # Python looks for signals here


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_lost_in_a_finaliser_is_raised_by_the_next_check():
    with Interruption() as interruption:
        interruption.check()
        thing = Finalised()
        del thing  # nothing is raised here: Python prints it and goes on
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_is_raised_where_it_comes():
    with Interruption(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))


def test_what_is_ignored_stays_ignored():
    code = """
import os, signal
from recog.batch.interruption import Interruption

signal.signal(signal.SIGINT, signal.SIG_IGN)
with Interruption() as interruption:
    os.kill(os.getpid(), signal.SIGINT)
    interruption.check()
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_other_threads_do_without():
    said = []
    thread = threading.Thread(target=lambda: said.append(Interruption().__enter__().check()))
    thread.start()
    thread.join()
    assert said == [None]
