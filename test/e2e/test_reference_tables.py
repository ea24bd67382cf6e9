"""Every family that node_exporter's documentation lists is ours: its name, its type and its label names.

A family counts as ours when a golden file of the collectors shows it (test/collectors runs those), or the
end-to-end fixture does; else when its name and type stand in a table of its collector, or in the table that the
collector makes at run time. Without the list, which is no part of this project, the test is skipped.
"""
import glob
import os
import re
import unittest

from harness import SHARED, skip

TABLE = os.path.join(SHARED, "reference", "node-metrics.tsv")
HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.normpath(os.path.join(HERE, "..", ".."))

NOT_PROVIDED = {"ntp", "runit", "supervisord"}
# Their names come from hardware that no fixture has: see their collectors' own tests.
FROM_HARDWARE = {"node_ethtool_{stat}", "node_perf_{subsystem}_{event}"}
TYPES = {"NV_COUNTER": "counter", "NV_GAUGE": "gauge", "NV_UNTYPED": "untyped",
         "NV_SUMMARY": "summary", "NV_HISTOGRAM": "histogram"}
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? ')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')
COLUMN = re.compile(r'"([a-z][a-zA-Z0-9_]*)",\s*([A-Z][A-Z_]*)\b')
SHORTHAND = re.compile(r"^#define ([A-Z]+)\s+(NV_[A-Z]+)", re.MULTILINE)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def shown(paths):
    """name -> set of (type, labels) seen in exposition text."""
    found = {}
    for path in paths:
        types = {}
        for line in read(path).split("\n"):
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                types[name] = kind
            match = SAMPLE.match(line)
            if match and not line.startswith("#"):
                labels = frozenset(LABEL.findall(match.group(2) or ""))
                name = match.group(1)
                if name not in types:
                    name = re.sub("_(sum|count|bucket)$", "", name)
                    labels -= {"le", "quantile"}
                found.setdefault(name, set()).add((types.get(name), labels))
    return found


def declared(paths):
    found = set()
    for path in paths:
        text = read(path)
        types = {**TYPES, **{short: TYPES.get(kind) for short, kind in SHORTHAND.findall(text)}}
        for name, kind in COLUMN.findall(text):
            if kind in types:
                found.add((name, types[kind]))
    return found


class Row:
    def __init__(self, line):
        self.name, self.type, labels, _, self.collector, _ = line.split("\t")
        words = re.split(r"[ ,]", re.sub(r"\(.*", "", labels).strip())
        self.labels = frozenset() if labels.startswith("-") else frozenset(filter(None, words))
        self.loose = "(" in labels or " or " in labels # which of them is told in words
        self.pattern = re.compile(re.sub(r"\\\{[A-Za-z]+\\\}", "[a-zA-Z0-9_]+", re.escape(self.name)))

    def fits(self, kind, labels):
        if kind != self.type:
            return False
        return labels == self.labels or (self.loose and labels <= self.labels | {"index"} or
                                         (self.loose and labels >= self.labels))


def rows():
    for line in read(TABLE).split("\n")[1:]:
        if not line:
            continue
        row = Row(line)
        if row.collector not in NOT_PROVIDED and not row.name.startswith(("go_", "{any}")):
            yield row


class ReferenceTables(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        golden = glob.glob(os.path.join(TREE, "test", "collectors", "fixtures", "*", "*", "expected.prom"))
        cls.shown = shown(golden + [os.path.join(SHARED, "fixtures", "node", "expected.txt")])
        cls.declared = declared(glob.glob(os.path.join(TREE, "collectors", "**", "*.c"), recursive=True) +
                                glob.glob(os.path.join(TREE, "src", "*", "*.c")))

    def evidence(self, row):
        return [fact for name, facts in self.shown.items() if row.pattern.fullmatch(name)
                for fact in facts]

    def test_every_family_is_shown_or_declared(self):
        missing = [row.name for row in rows() if not self.evidence(row)
                   and not any(row.pattern.fullmatch(name) for name, _ in self.declared)]
        self.assertEqual(missing, [])

    def test_every_type_and_label_is_the_listed_one(self):
        wrong = []
        for row in rows():
            facts = self.evidence(row)
            if facts and not any(row.fits(*fact) for fact in facts):
                wrong.append((row.name, row.type, sorted(row.labels), facts[:3]))
            if not facts and row.name not in FROM_HARDWARE and (row.name, row.type) not in self.declared:
                wrong.append((row.name, row.type))
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    if not os.path.isfile(TABLE):
        skip("the list of node_exporter's families is not there: " + os.path.relpath(TABLE))
    unittest.main(verbosity=2)
