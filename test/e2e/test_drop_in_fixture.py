"""The agent on node_exporter's own end-to-end fixture: every sample and type, byte for byte, and nothing else.

The fixture is upstream's and no part of this project; without it the test is skipped. Its expected.txt was
made one level above, so that two paths begin with collector/fixtures/: that prefix is taken off. Where symbolic links
did not survive the way here, their targets stand in files; the agent is shown a copy that has the links again.
"""
import os
import re
import shutil
import tempfile
import unittest

from harness import SHARED, Agent, skip

FIXTURE = os.path.join(SHARED, "fixtures", "node")
OURS = re.compile("nodevitals_")


def read(name):
    with open(os.path.join(FIXTURE, name), encoding="utf-8") as file:
        return file.read()


def link_target(path):
    """What a file that was a link points to, or None."""
    if os.path.islink(path) or os.path.getsize(path) > 255:
        return None
    with open(path, "rb") as file:
        text = file.read()
    if re.fullmatch(rb"(\.\./?)+[^\n\0]*", text) or path.endswith("proc/self"):
        return text
    return None


def copy_fixture(folder):
    shutil.copytree(FIXTURE, folder, symlinks=True, copy_function=shutil.copyfile)
    for where, _, names in os.walk(folder):
        os.chmod(where, 0o755)
        for name in names:
            path = os.path.join(where, name)
            target = link_target(path)
            if target:
                os.unlink(path)
                os.symlink(target, os.fsencode(path))


def sample_lines(text, skipped):
    return [line for line in text.split("\n")
            if line and line[0] != "#" and not skipped.search(line)]


def type_lines(text, lines):
    """TYPE lines of the families that have one of the samples."""
    names = {re.match("[a-zA-Z_:][a-zA-Z0-9_:]*", line).group() for line in lines}
    found = set()
    for line in text.split("\n"):
        if line.startswith("# TYPE "):
            name = line.split(" ")[2]
            if names & {name, name + "_bucket", name + "_sum", name + "_count"}:
                found.add(line)
    return found


class DropIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        skipped = re.compile(read("skip-regex.txt").strip())
        expected = read("expected.txt").replace("collector/fixtures/", "")
        flags = [line.replace(":PORT", ":0") for line in read("flags.txt").split("\n") if line]
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "node")
            copy_fixture(copy)
            with Agent(*flags, cwd=copy) as agent:
                text = agent.metrics()
        cls.log = agent.log
        cls.expected = sample_lines(expected, skipped)
        cls.seen = [line for line in sample_lines(text, skipped) if not OURS.match(line)]
        cls.expected_types = type_lines(expected, cls.expected)
        cls.seen_types = type_lines(text, cls.seen)

    def assert_none(self, lines, what):
        lines = sorted(lines)
        self.assertEqual(len(lines), 0, f"{len(lines)} {what}:\n" + "\n".join(lines[:60]))

    def test_every_expected_sample_is_there(self):
        self.assertGreater(len(self.expected), 2500)
        self.assert_none(set(self.expected) - set(self.seen), "missing samples")

    def test_no_other_sample_is_there(self):
        self.assert_none(set(self.seen) - set(self.expected), "samples too many")

    def test_every_type_is_the_expected_one(self):
        self.assert_none(self.expected_types - self.seen_types, "missing types")
        self.assert_none(self.seen_types - self.expected_types, "types too many")

    def test_the_order_is_the_expected_one(self):
        common = set(self.seen) & set(self.expected)
        self.assertEqual([line for line in self.seen if line in common],
                         [line for line in self.expected if line in common])

    def test_no_sample_comes_twice(self):
        self.assertEqual(len(self.seen), len(set(self.seen)))


if __name__ == "__main__":
    if not os.path.isdir(FIXTURE):
        skip("node_exporter's fixture is not there: " + os.path.relpath(FIXTURE))
    unittest.main(verbosity=2)
