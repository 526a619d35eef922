"""Shell completion: the script that `completion bash` prints, run by a real bash as if somebody typed."""

import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from signaltest.tools import wait_until

from fixture import BINARY, CommandTest

BASH = shutil.which("bash")
ZSH = shutil.which("zsh")


@unittest.skipUnless(BASH, "bash is not installed")
class Bash(CommandTest):
    def setUp(self):
        super().setUp()
        self.script = self.workspace.file("completion.bash")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(self.call("completion", "bash")[0])

    def complete(self, *words, env=None):
        """COMPREPLY after these words; the last one is where the cursor stands. Words are cut at '=' as bash does."""
        cut = []
        for word in words:
            name, equals, value = word.partition("=")
            cut += [name, "=", value] if equals and value else [name, "="] if equals else [word]
        code = ('. "$1" || exit 3; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _signal_client "$1" "${@: -1}" "${@: -2:1}"; '
                'for reply in "${COMPREPLY[@]}"; do printf "%s\\n" "$reply"; done')
        done = subprocess.run([BASH, "--norc", "-c", code, "bash", self.script, BINARY, *cut], env=self.environment(**(env or {})),
                              cwd=self.workspace.path, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout.split()

    def test_commands(self):
        self.assertEqual(self.complete("t"), ["tail"])
        self.assertEqual(self.complete("con"), ["connectors", "config"])
        self.assertEqual(self.complete("integrations", ""), ["list", "show", "put", "import", "enable", "disable", "remove"])
        self.assertEqual(self.complete("integrations", "en"), ["enable"])
        self.assertEqual(self.complete("help", "integ"), ["integrations"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh"])
        everything = subprocess.run([BINARY, "help"], capture_output=True, text=True, check=True).stdout
        for word in self.complete(""):
            self.assertIn(f"  {word}", everything)

    def test_options(self):
        self.assertEqual(self.complete("tail", "--"), ["--data-type", "--last", "--since", "--for", "--count", "--headers", "--raw", "--json",
                                                       "--config", "--node", "--help"])
        self.assertEqual(self.complete("tail", "x", "--last", "5", "--ra"), ["--raw"])
        self.assertEqual(self.complete("integrations", "put", "x", "--se"), ["--set", "--secret"])
        self.assertEqual(self.complete("integrations", "list", "--j"), ["--json"])
        self.assertEqual(self.complete("tail", "--nats.c"), ["--nats.creds", "--nats.create"])
        self.assertIn("--log.level", self.complete("run", "--"))

    def test_values(self):
        self.assertEqual(self.complete("integrations", "put", "x", "--type", ""), ["acme"])
        self.assertEqual(self.complete("integrations", "put", "x", "--type="), ["acme"])
        self.assertEqual(self.complete("integrations", "put", "x", "--type=ac"), ["acme"])
        self.assertEqual(self.complete("integrations", "put", "x", "--type=b"), [])
        self.assertEqual(self.complete("connectors", "show", "a"), ["acme"])
        self.assertEqual(self.complete("tail", "--data-type", "e"), ["events"])
        self.assertEqual(self.complete("integrations", "put", "x", "--type", "acme", "--data-type", ""), ["events", "assets"])
        self.assertEqual(self.complete("integrations", "put", "x", "--type", "gone", "--data-type", ""), [])
        self.assertEqual(self.complete("completion", "--list", "se"), ["settings"])
        self.assertEqual(self.complete("integrations", "put", "x", "--set", ""), [], "free text")
        self.workspace.file("folder", "x.json")
        self.assertEqual(self.complete("integrations", "import", "fol"), ["folder"])
        self.assertEqual(self.complete("--nats.url", "", "ta"), ["tail"], "a setting takes the next word")

    def test_integrations(self):
        self.assertEqual(self.complete("tail", ""), [])
        for name in ("okta-prod", "okta-test", "kev"):
            self.bucket.put(name, {})
        self.assertEqual(self.call("completion", "--list", "integrations", "--patient")[0].split(), ["okta-prod", "okta-test", "kev"])
        for words, want in [(("tail", "okta-"), ["okta-prod", "okta-test"]), (("integrations", "show", "k"), ["kev"])]:
            # on a busy machine 300 ms may pass without an answer: then it is silent, as it has to be
            self.assertEqual(wait_until(lambda: self.complete(*words), 30, f"names for {words}"), want)

    def test_nats_away(self):
        """Silence, and soon: refused, never answering (a frozen server), settings that are bad."""
        self.assertEqual(self.complete("tail", "", env={"NATS_URL": "nats://127.0.0.1:1"}), [])
        self.assertEqual(self.complete("tail", "", env={"SIGNAL_CLIENT_CONFIG": "/nowhere.conf"}), [])
        self.server.freeze()
        try:
            begin = time.monotonic()
            out, err = self.call("completion", "--list", "integrations")
            spent = time.monotonic() - begin
        finally:
            self.server.thaw()
        self.assertEqual((out, err), ("", ""))
        self.assertLess(spent, 3.0, "300 ms and the start of a process, on a busy machine")

    def test_no_child_stays(self):
        """The process that asks NATS is gone when the command is."""
        self.server.freeze()
        try:
            process = subprocess.Popen([BINARY, "completion", "--list", "integrations"], env=self.environment(), start_new_session=True)
            self.workspace.adopt(process)
            self.assertEqual(process.wait(timeout=60), 0)
            with self.assertRaises(ProcessLookupError):
                os.killpg(process.pid, 0)
        finally:
            self.server.signal(signal.SIGCONT)


class Scripts(CommandTest):
    make = False

    def test_wrong(self):
        for words, text in [((), "say for which shell: bash or zsh"), (("fish",), "say for which shell"),
                            (("--list", "x"), "--list x: give connectors, integrations, data-types or settings")]:
            self.assertIn(text, self.call("completion", *words, want=2)[1])

    @unittest.skipUnless(BASH, "bash is not installed")
    def test_bash_can_be_sourced_strictly(self):
        script = self.call("completion", "bash")[0]
        subprocess.run([BASH, "--norc", "-euc", script], check=True, timeout=60)

    @unittest.skipUnless(ZSH, "zsh is not installed")
    def test_zsh(self):
        script = self.workspace.file("completion.zsh")
        with open(script, "w", encoding="utf-8") as file:
            file.write(self.call("completion", "zsh")[0])
        code = 'compdef() { : }; compadd() { shift; print -l -- "${(@P)1}" }; . "$1"; shift; words=("$@"); CURRENT=$#; _signal-client'
        for words, want in [(("t",), "tail"), (("integrations", ""), "import"), (("tail", "--l"), "--last"),
                            (("integrations", "put", "x", "--type", ""), "acme")]:
            done = subprocess.run([ZSH, "-f", "-c", code, "zsh", script, BINARY, *words], env=self.environment(), capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn(want, done.stdout.split())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
