#!/usr/bin/env python3
"""Outputs that nobody reads, directories and rings that cannot be meant, and too little memory, as a user meets them.

usage: outputs.py GATETAPE [WORD]     only the cases whose names contain WORD
"""
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time

from support import GATETAPE, Capture, PCAP_HEADER, full_pipe, packet, run, run_cases, until, write_pcap

HANG_S = 2  # a signal ends every command within this, whoever does not read


def pipe(folder, name="pipe"):
    path = os.path.join(folder, name)
    os.mkfifo(path)
    return path


def recorded(folder, packets=3000):
    c = Capture(folder)
    c.feed(packets)
    c.finish()
    return c.store


def started(*words, **options):
    return subprocess.Popen([GATETAPE, *words], stderr=subprocess.PIPE, **options)


def waits_for(process, call):
    """It has come to where it waits: its main thread sleeps in that system call."""
    def sleeps():
        with open(f"/proc/{process.pid}/syscall") as f:
            return process.poll() is None and f.read().split()[0] == str(call)
    until(sleeps, "the process to wait")


POLL = 7  # x86-64


def ends_after(process, number, code):
    began = time.monotonic()
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("it hangs")
    seconds = time.monotonic() - began
    assert seconds < HANG_S, f"it took {seconds:.1f} s to end"
    assert process.returncode == code, f"exit code {process.returncode}: {err.decode()}"
    return err.decode()


def case_extract_into_a_pipe_without_a_reader(folder):
    store = recorded(folder)
    for number in (signal.SIGINT, signal.SIGTERM):
        for option in ("-w", "--statement"):
            path = pipe(folder, f"{option}-{number}")
            words = ["-w", "/dev/null", "--statement", path] if option == "--statement" else ["-w", path]
            process = started("extract", "--store", store, *words)
            waits_for(process, POLL)
            err = ends_after(process, number, 1)
            assert "nobody reads this pipe" in err and path in err, err


def case_extract_into_a_pipe_whose_reader_stalls(folder):
    store = recorded(folder)
    path = pipe(folder)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    process = started("extract", "--store", store, "-w", path)
    waits_for(process, POLL)
    err = ends_after(process, signal.SIGTERM, 1)
    assert "takes nothing" in err, err
    os.close(reader)
    read, write = os.pipe()
    process = started("extract", "--store", store, stdout=write)
    os.close(write)
    waits_for(process, POLL)
    err = ends_after(process, signal.SIGINT, 1)
    assert "takes nothing" in err, err
    os.close(read)


def case_extract_into_a_pipe_with_a_reader(folder):
    """As tcpdump's: it waits for the reader, who gets all of it."""
    store = recorded(folder)
    whole = subprocess.run([GATETAPE, "extract", "--store", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    path = pipe(folder)
    process = started("extract", "--store", store, "-w", path)
    waits_for(process, POLL)
    with open(path, "rb") as f:
        time.sleep(0.3)  # a reader that is slow to begin
        got = f.read()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    # The comment of the statement has times of its own.
    assert abs(len(got) - len(whole.stdout)) < 64 and got[:4] == whole.stdout[:4] and len(got) > 3000 * 40, len(got)


def case_summary_into_a_pipe(folder):
    path = pipe(folder, "summary.json")
    for number in (signal.SIGINT, signal.SIGTERM):
        c = Capture(folder)
        c.feed(1000)
        until(lambda: os.path.exists(os.path.join(c.store, "account")), "the store")
        began = time.monotonic()
        c.process.send_signal(number)
        code = c.process.wait(20)
        seconds = time.monotonic() - began
        assert seconds < HANG_S and code == 1, f"exit code {code} after {seconds:.1f} s: {c.err()}"
        assert "nobody reads this pipe" in c.err(), c.err()
    c = Capture(folder)
    c.feed(1000)
    got = []
    reading = threading.Thread(target=lambda: got.append(open(path).read()))
    reading.start()
    c.process.stdin.close()
    assert c.process.wait(20) == 0, c.err()
    reading.join()
    assert json.loads(got[0])["account"]["received"] == 1000, got


def case_summary_on_a_stalled_standard_output(folder):
    read, write = full_pipe()
    store = os.path.join(folder, "store")
    process = started("capture", "--source", "pcap:-", "--summary", "-", "--store", store, stdin=subprocess.PIPE, stdout=write)
    os.close(write)
    process.stdin.write(PCAP_HEADER + packet(1))
    process.stdin.flush()
    until(lambda: os.path.exists(os.path.join(store, "account")), "the store")
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.wait(20)
    os.close(read)
    assert time.monotonic() - began < HANG_S, "it hangs"
    assert process.returncode == 1, process.stderr.read()


def refused(*words):
    done = run("capture", "--source", "pcap:/dev/null", *words)
    assert done.returncode == 2, f"exit code {done.returncode}: {done.stderr}"
    return done.stderr


def case_one_directory_named_twice(folder):
    store, link = os.path.join(folder, "store"), os.path.join(folder, "link")
    others = [store, store + "/", os.path.join(folder, ".", "store"), os.path.relpath(store)]
    for there in (False, True):
        if there:
            os.mkdir(store)
            os.symlink(store, link)
        for other in others + [link] * there:
            for words in ((f"{store},{other}",), (store, "--store", other)):
                err = refused("--store", *words)
                assert "named twice" in err, err
    assert not os.listdir(store)


def case_ring_too_small_to_keep_anything(folder):
    store = os.path.join(folder, "store")
    for size, workers in (("2M", 1), ("7M", 1), ("8M", 2)):
        err = refused("--store", store, "--ring-size", size, "--workers", str(workers))
        assert "8.0 MiB" in err, err
    assert not os.path.exists(store)


def case_little_memory(folder):
    """Each limit either suffices, or is said to be too little."""
    source = os.path.join(folder, "in.pcap")
    write_pcap(source)
    failed = 0
    for megabytes in range(100, 1500, 50):
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        done = subprocess.run([GATETAPE, "capture", "--source", "pcap:" + source, "--store",
                               os.path.join(folder, str(megabytes))], capture_output=True, text=True, preexec_fn=limit)
        if done.returncode == 127:  # not even the program was loaded
            continue
        assert done.returncode in (0, 1), f"{megabytes} MB: exit code {done.returncode}: {done.stderr}"
        if done.returncode == 1:
            failed += 1
            assert "memory" in done.stderr, f"{megabytes} MB: {done.stderr}"
    assert failed > 2 and done.returncode == 0, (failed, done.stderr)


def case_lost_checkpoints_are_counted(folder):
    """Nobody listens on the socket: what was not handed out is in the summary."""
    path = os.path.join(folder, "nobody")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.close()
    c = Capture(folder, "--checkpoint-to", "unix:" + path)
    c.feed(1000)
    summary, _ = c.finish()
    one, = summary["outlets"]
    assert one["outlet"] == "checkpoints" and one["lost"] == one["offered"] > 1 and one["written"] == 0, one
    file = os.path.join(folder, "notes")
    c = Capture(folder, "--checkpoint-to", file)
    c.feed(1000)
    summary, _ = c.finish()
    one, = summary["outlets"]
    assert one["lost"] == 0 and one["written"] == one["offered"] > 1, one


run_cases(globals())
