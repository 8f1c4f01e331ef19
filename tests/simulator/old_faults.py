#!/usr/bin/env python3
"""Puts faults that the store once had back, one by one, into a copy of the project, and counts how many histories the
simulator needs to find each.

usage: old_faults.py [--seeds N] [--clean N] [--scratch DIR] [NAME...]
First no fault is there: --clean N histories (default 1000) must hold all laws. Prints a table; exit code 1 when one was not found within N histories (default 10000), or does not apply any more.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIMULATOR = "tests/simulator/simulator"

# Name, and the replacements that bring it back: file, words that stand there, words instead.
FAULTS = {
    "any errno evicts": [
        ("common/file.cc", "return error.code == ENOSPC || error.code == EDQUOT;", "return error.code != 0;")],
    "recovery truncates after a read error": [
        ("storage/write/segment_seal.cc",
         "if (Result<void> read = segment.read_status(); !read) return unreadable(read.error());", "")],
    "a failed unlink counts as evicted": [
        ("storage/write/ring.cc", "if (!results[i] && results[i].error().code != ENOENT) {", "if (false) {")],
    "the run's end is written before its segments are sealed": [
        ("storage/write/store_writer.cc", "  housekeepers_->drain();\n  // A sync",
         "  if (notary_ != nullptr) (void)notary_->end(0, {});\n  housekeepers_->drain();\n  // A sync"),
        ("storage/write/store_writer.cc",
         "if (notary_ != nullptr) (void)notary_->end(housekeepers_->unsealed(), {});", "")],
    "a segment counts as safe before it is synced": [
        ("storage/write/segment_seal.cc", "sealed.synced = file.sync();", "")],
    "a new name is not synced": [
        ("storage/write/housekeeper.cc", "if (synced) synced = sync_name(segment, unsafe);", "")],
    "literals are cached by the segment's number": [
        ("storage/read/literal_cache.cc", "segment.id()", "segment.header().sequence")],
    "a torn tail is trusted": [
        ("storage/read/segment_reader.cc", "if (header.stored_bytes() > file_bytes_ - begin) return;", "")],
    "an eviction leaves no tombstone": [
        ("storage/write/ring.cc",
         "if (notary_ != nullptr && !tombstones.empty()) notary_->evicted(tombstones, reason);", "(void)reason;")],
    "numbers are given again after a crash": [
        ("storage/write/store_writer.cc", "next_sequence_ = existing.last_sequence + 1;",
         "next_sequence_ = existing.segments.size() + 1;"),
        ("storage/write/store_writer.cc",
         "next_sequence_ = std::max(next_sequence_.load(), notary_->last_sequence() + 1);", "")],
    "what a killed run sealed is listed unsynced": [
        ("storage/write/store_writer.cc",
         "if (facts && facts->was_sealed) synced = sync_file(files_, segment.path);", "")],
    "a run without an account is overlooked": [
        ("storage/query/presence.cc", "if (run != runs_.end() && run->second.ended) continue;",
         "if (run == runs_.end() || run->second.covered.empty() || run->second.ended) continue;"),
        ("storage/query/presence.cc", "if (run.ended || known || !overlaps(range_, when)) continue;",
         "if (run.ended || known || !overlaps(range_, when) || run.started_ns != 0) continue;")],
}


def replaced(text, old, new):
    if old in text:
        return text.replace(old, new)
    # clang-format may have broken the line.
    pattern = re.compile(r"\s+".join(re.escape(word) for word in old.split()))
    if not pattern.search(text):
        return None
    return pattern.sub(lambda _: new, text)


def build(scratch):
    environment = dict(os.environ, CCACHE_NOHASHDIR="1", CCACHE_BASEDIR=str(scratch))
    if not (scratch / "build/build.ninja").exists():
        if shutil.which("ccache"):
            environment.setdefault("CXX", "ccache g++")
        subprocess.run(["meson", "setup", "build"], cwd=scratch, env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", "build", SIMULATOR], cwd=scratch, env=environment, check=True,
                   stdout=subprocess.DEVNULL)


def look_for(scratch, seeds):
    """The first seed that breaks a law, and what it says; None: none did."""
    done = subprocess.run([scratch / "build" / SIMULATOR, "--seeds", f"1..{seeds}"], capture_output=True, text=True,
                          check=False)
    found = re.search(r"BROKEN: seed (\d+): (.*)", done.stdout)
    return (int(found[1]), found[2]) if found else None


def put_back(scratch, replacements):
    """The files as they were; None when a fault does not apply."""
    before = {}
    for name, old, new in replacements:
        path = scratch / name
        text = path.read_text()
        before.setdefault(path, text)
        changed = replaced(text, old, new)
        if changed is None:
            restore(before)
            return None
        path.write_text(changed)
    return before


def restore(before):
    for path, text in before.items():
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seeds", type=int, default=10000)
    parser.add_argument("--clean", type=int, default=1000)
    parser.add_argument("--scratch", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    scratch = options.scratch or pathlib.Path(tempfile.mkdtemp(prefix="old-faults-"))
    shutil.copytree(ROOT, scratch, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build*", ".git"))
    build(scratch)
    failed = False
    clean = look_for(scratch, options.clean)
    failed |= clean is not None
    print("| fault | found by seed | what it says |\n| --- | --- | --- |", flush=True)
    print(f"| none | {clean or f'none of {options.clean}'} | |", flush=True)
    for name, replacements in FAULTS.items():
        if options.names and not any(word in name for word in options.names):
            continue
        before = put_back(scratch, replacements)
        if before is None:
            print(f"| {name} | does not apply any more | |", flush=True)
            failed = True
            continue
        build(scratch)
        found = look_for(scratch, options.seeds)
        failed |= found is None
        seed, law = found or ("not found", "")
        print(f"| {name} | {seed} | {law[:140]} |", flush=True)
        restore(before)
    if not options.scratch:
        shutil.rmtree(scratch)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
