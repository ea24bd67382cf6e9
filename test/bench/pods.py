#!/usr/bin/env python3
"""What it takes to read /pods: answers of about 2 MB as a kubelet would write them, compact and indented.

    test/bench/run.sh pods

The budget is 10 ms and 512 KiB beyond the text for 2 MB.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from kubelet_node import Node  # noqa: E402

SIZE = 2 << 20


def answer(containers):
    """About 2 MB of pods with so many containers each."""
    pods = 1
    one = len(Node(pods=1, containers=containers).pods())
    pods = max(1, SIZE // one)
    return Node(pods=pods, containers=containers).pods()


def measure(name, text, folder):
    path = os.path.join(folder, "pods.json")
    with open(path, "wb") as file:
        file.write(text)
    told = subprocess.run([os.environ["NV_PODS_BENCH"], path, "100"], capture_output=True, text=True, check=True)
    print(f"{name}: {told.stdout.strip()}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for containers in (1, 2, 5):
            measure(f"{containers} containers a pod", answer(containers), folder)
        indented = json.dumps(json.loads(answer(2)), indent=1).encode()
        measure("2 containers a pod, indented", indented, folder)


if __name__ == "__main__":
    main()
