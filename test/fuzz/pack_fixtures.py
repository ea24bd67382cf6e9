#!/usr/bin/env python3
"""Packs the collectors' fixtures into seeds for fuzz_collectors: pack_fixtures.py FIXTURES CORPUS

What no fixture can hold, such as netlink messages, lies packed in corpus/collectors beside this file.
"""
import os
import shutil
import sys

LARGEST = 64 << 10  # of one file; libFuzzer works best on small inputs


def pack(collector, case):
    parts = [b"collector " + collector.encode() + b"\n"]
    for top in ("proc", "sys", "root", "udev", "kubelet"):
        for folder, folders, files in os.walk(os.path.join(case, top)):
            for name in sorted(files + folders):
                path = os.path.join(folder, name)
                inside = os.path.relpath(path, case).encode()
                if b" " in inside:
                    continue
                if os.path.islink(path):
                    parts.append(b"-> " + inside + b" " + os.readlink(path).encode() + b"\n")
                elif os.path.isfile(path):
                    with open(path, "rb") as f:
                        content = f.read(LARGEST)
                    parts.append(b"== " + inside + b" %d\n" % len(content) + content + b"\n")
    pods = os.path.join(case, "pods.json")
    if os.path.isfile(pods):
        with open(pods, "rb") as f:
            content = f.read(LARGEST)
        parts.append(b"== pods.json %d\n" % len(content) + content + b"\n")
    return b"".join(parts)


def main():
    fixtures, corpus = sys.argv[1:]
    os.makedirs(corpus, exist_ok=True)
    for collector in sorted(os.listdir(fixtures)):
        for case in sorted(os.listdir(os.path.join(fixtures, collector))):
            with open(os.path.join(corpus, f"{collector}-{case}"), "wb") as f:
                f.write(pack(collector, os.path.join(fixtures, collector, case)))
    packed = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "collectors")
    for name in sorted(os.listdir(packed)):
        shutil.copyfile(os.path.join(packed, name), os.path.join(corpus, name))


if __name__ == "__main__":
    main()
