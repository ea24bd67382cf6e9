#!/usr/bin/env python3
"""The tree itself: what leans on what, what lies where, and what must not be in it."""
import os
import re
import subprocess
import unittest

TOP = os.environ["NV_SOURCE"]

# What each folder of src/ may include, beside itself, the ABI, and what the named ones use in turn.
USES = {
    "base": (), "metric": ("base",), "config": ("metric",), "expo": ("metric",), "gather": ("metric",),
    "tsdb": ("metric",), "promql": ("metric",),
    "rules": ("promql", "config"), "notify": ("config",), "scrape": ("expo", "config"),
    "kube": ("config",),
    "web": ("notify", "expo", "gather", "config", "promql", "rules", "tsdb", "kube"),
    "agent": ("web", "tsdb", "rules", "notify", "scrape", "kube"), "cli": ("agent",),
}
ALLOWED_AT_TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "collectors", "deploy", "include",
                  "src", "test", ".ci", ".clang-format", ".clang-tidy", ".gitignore"}


def tracked():
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True)
    if answer.returncode != 0:
        raise unittest.SkipTest("not a git checkout")
    return answer.stdout.split("\0")[:-1]


def closure(folder):
    found = {folder}
    for used in USES[folder]:
        found |= closure(used)
    return found


def includes(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', f.read(), re.M)


class Tree(unittest.TestCase):
    def test_dependencies_point_one_way(self):
        for path in tracked():
            if not re.match(r"src/.*\.[ch]$", path):
                continue
            folder = path.split("/")[1]
            for name in includes(path):
                self.assertNotIn("../", name, path)
                if name.startswith('"'):
                    self.assertIn(name[1:].split("/")[0], closure(folder), f"{path} includes {name}")

    def test_collectors_and_the_abi_see_the_abi_alone(self):
        for path in tracked():
            if re.match(r"(collectors|include)/.*\.[ch]$", path):
                for name in includes(path):
                    own = os.path.exists(os.path.join(TOP, os.path.dirname(path), name[1:-1]))
                    self.assertTrue(name.startswith("<") or own, f"{path} includes {name}")

    def test_nothing_else_is_at_the_top(self):
        self.assertEqual({path.split("/")[0] for path in tracked()} - ALLOWED_AT_TOP, set())

    def test_every_folder_of_sources_says_what_it_is_for(self):
        folders = {os.path.dirname(path) for path in tracked() if re.match(r"src/[^/]+/.*\.c$", path)}
        for folder in sorted(folders | {"include/nodevitals", "collectors", "test", "deploy"}):
            self.assertTrue(os.path.exists(os.path.join(TOP, folder, "README.md")), folder)

    def test_files_stay_readable(self):
        for path in tracked():
            if path.endswith((".c", ".h")):
                with open(os.path.join(TOP, path), encoding="utf-8") as f:
                    self.assertLess(sum(1 for _ in f), 900, path)

    def test_a_wrong_include_does_not_compile(self):
        roots = os.path.join(os.environ["NV_BUILD"], "include-roots")
        for folder, other in (("metric", "gather"), ("tsdb", "expo"), ("base", "metric")):
            seen = [os.path.join(roots, name) for name in closure(folder)]
            self.assertFalse([root for root in seen if os.path.isdir(os.path.join(root, other))],
                             f"{folder} can see {other}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
