"""The fault kernel, tested: a right stand-in for the agent passes, and each of its flaws is found by the scenario that
is there to find it. A scenario that cannot fail proves nothing."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BESIDE = 5     # so many at once: they mostly wait
LOST_S = "15"  # no_rewind is found by waiting for what does not come back; the others end by themselves

CASES = [  # flaw, scenario, events, what the report must say; None: passes. The longest first
    ("", "two_agents_freeze", None, None),
    ("no_fence", "two_agents_freeze", None, r"handed over after the takeover"),
    ("", "okta_sigkill", 1500, None),
    ("", "okta_sigterm", 1500, None),
    ("", "outage_6s_kill_at_reconnect", 800, None),
    ("", "power_loss", 900, None),
    ("", "work_queue", 1000, None),
    ("", "discard_old", 1000, None),
    ("", "byte_cuts", None, None),
    ("slow_save", "outage_6s_kill_at_reconnect", 800, None),
    ("no_read_back", "outage_6s_kill_at_reconnect", 800, r"doubled by id [1-9]"),
    ("late_checkpoint", "okta_sigkill", 1500, r"missing [1-9]"),
    ("skip", "work_queue", 1000, r"missing [1-9]"),
    ("alter", "work_queue", 1000, r"altered [1-9]"),
    ("no_rewind", "power_loss", 900, r"everything back in the stream|missing [1-9]"),
    ("slow_stop", "okta_sigterm", 900, r"still there after"),
]


def run(flaw, scenario, events, says):
    """Exit status and output of the kernel with the stand-in. The logs stay when it was not what was to come."""
    command = [sys.executable, os.path.join(HERE, "kernel.py"), "--agent", os.path.join(HERE, "stand_in.py"),
               "--run", scenario, "--env", f"STAND_IN_FLAW={flaw}"] + (["--events", str(events)] if events else [])
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False,
                          env={**os.environ, "FAULTS_IDLE_S": LOST_S if flaw == "no_rewind" else "60"})
    if done.returncode == 1 and says and re.search(says, done.stdout):
        for kept in re.findall(r"logs kept in (\S+)", done.stderr):
            shutil.rmtree(kept, ignore_errors=True)
    return done.returncode, done.stdout + done.stderr


class Kernel(unittest.TestCase):
    def test_right_passes_and_every_flaw_is_found(self):
        with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
            started = [(case, pool.submit(run, *case)) for case in CASES]
            for (flaw, scenario, _, says), result in started:
                with self.subTest(flaw=flaw or "none", scenario=scenario):
                    status, output = result.result()
                    if says is None:
                        self.assertEqual(status, 0, output)
                        self.assertRegex(output, r"faults: 1 passed, 0 failed\n")
                    else:
                        self.assertEqual(status, 1, output)
                        self.assertRegex(output, says)
                        self.assertIn("faults: 0 passed, 1 failed\n", output)

    def test_refusals(self):
        for arguments, word in ((["--agent", "/nonexistent"], "no agent at"), (["--run", "nonsense"], "no scenario")):
            done = subprocess.run([sys.executable, os.path.join(HERE, "kernel.py"), *arguments], capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
