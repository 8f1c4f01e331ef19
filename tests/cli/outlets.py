#!/usr/bin/env python3
"""Outlets, signals and rights of a running capture, as its user sees them; needs no root and no network.

usage: outlets.py GATETAPE [WORD]     only the cases whose names contain WORD
"""
import grp
import json
import os
import signal
import stat
import subprocess
import threading
import time

from support import GATETAPE, Capture, full_pipe, lines, need_root, run_cases, until


def flows(events):
    return [(e["src_ip"], e["dest_ip"]) for e in events if e["event_type"] == "flow"]


def outlet(summary):
    one, = summary["outlets"]
    assert one["offered"] == one["written"] + one["lost"], one
    assert one["lost"] == sum(one["lost_by"].values()), one
    return one


def all_stored(capture, summary, stopped=False):
    """All that was received can be extracted. After a signal the last packets may still lie in the pipe to the sensor."""
    account = summary["account"]
    received = account["received"]
    assert received == capture.sent or stopped and capture.sent * 0.8 < received < capture.sent, account
    assert account["stored"] == received == capture.extracted(), account


def pipe_that_nobody_reads(folder, stop):
    path = os.path.join(folder, "pipe")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    c = Capture(folder, eve=path)
    for _ in range(4):
        c.feed(2000)
        time.sleep(0.3)
    if stop:
        until(lambda: os.path.exists(c.store), "the store")
    summary, seconds = c.finish(stop=stop)
    os.close(reader)
    assert seconds < (2 if stop else 8), f"it took {seconds:.1f} s to end"
    all_stored(c, summary, stop)
    assert outlet(summary)["lost"] > 5000, summary["outlets"]
    assert "records lost" in c.err(), c.err()
    stats = json.loads(subprocess.run([GATETAPE, "stats", "--store", c.store, "--json"], capture_output=True).stdout)
    assert f'"lost_by_outlets": {outlet(summary)["lost"]}' in json.dumps(stats), stats


def case_stalled_pipe_and_term(folder):
    pipe_that_nobody_reads(folder, signal.SIGTERM)


def case_stalled_pipe_and_interrupt(folder):
    pipe_that_nobody_reads(folder, signal.SIGINT)


def case_stalled_pipe_and_end_of_input(folder):
    pipe_that_nobody_reads(folder, None)


def case_stalled_standard_output(folder):
    """Standard output is an unnamed pipe, whose reader is stopped."""
    read, write = os.pipe()
    c = Capture(folder, eve="-", stdout=write)
    os.close(write)
    c.feed(4000)
    time.sleep(0.5)
    summary, seconds = c.finish(stop=signal.SIGTERM)
    os.close(read)
    assert seconds < 2, f"it took {seconds:.1f} s to end"
    all_stored(c, summary, True)
    assert outlet(summary)["lost"] > 2000, summary["outlets"]


def case_reader_goes_away_and_comes_back(folder):
    path = os.path.join(folder, "pipe")
    os.mkfifo(path)
    c = Capture(folder, "--flows-max", "100", eve=path)  # so that flows end while it runs
    with open(path) as reader:
        c.feed(3000)
        first = [reader.readline() for _ in range(100)]
    c.feed(3000)
    time.sleep(0.5)
    rest = []
    reading = threading.Thread(target=lambda: rest.extend(open(path).readlines()))
    reading.start()
    c.feed(3000)
    summary, _ = c.finish()
    reading.join(10)
    all_stored(c, summary)
    assert outlet(summary)["lost"] == 0, summary["outlets"]
    assert len(first) + len(rest) <= summary["outlets"][0]["written"], "lines doubled"
    for line in first[:-1] + rest[1:]:
        json.loads(line)


def case_full_disk(folder):
    c = Capture(folder, eve="/dev/full")
    c.feed(3000)
    summary, seconds = c.finish()
    assert seconds < 3, f"it took {seconds:.1f} s to end"
    all_stored(c, summary)
    one = outlet(summary)
    assert one["written"] == 0 and one["lost_by"]["no_space"] == one["lost"] > 3000, one
    assert c.err().count("No space left on device") == 1, c.err()


def case_slow_reader_gets_everything(folder):
    read, write = os.pipe()
    c = Capture(folder, eve="-", stdout=write)
    os.close(write)
    got = bytearray()

    def slowly():
        while part := os.read(read, 20000):
            got.extend(part)
            time.sleep(0.01)

    reading = threading.Thread(target=slowly)
    reading.start()
    c.feed(6000)
    summary, _ = c.finish(60)
    reading.join()
    events = [json.loads(line) for line in bytes(got).splitlines()]
    assert outlet(summary)["lost"] == 0 and len(set(flows(events))) == 6000, summary["outlets"]


def case_rotation(folder):
    """Renamed and reopened again and again while flows end: no line is lost or doubled."""
    path = os.path.join(folder, "eve.json")
    c = Capture(folder, "--flows-max", "100", eve=path)
    for i in range(10):
        c.feed(2000)
        until(lambda: os.path.exists(path), "the new file")
        os.rename(path, f"{path}.{i}")
        c.process.send_signal(signal.SIGHUP)
    until(lambda: os.path.exists(path), "the new file")
    summary, _ = c.finish()
    events = [e for name in sorted(os.listdir(folder)) if name.startswith("eve.json") for e in lines(os.path.join(folder, name))]
    found = flows(events)
    assert len(found) == len(set(found)) == 20000, f"{len(found)} flows, {len(set(found))} different"
    assert outlet(summary)["lost"] == 0 and len(events) == summary["outlets"][0]["written"]


def case_checkpoints_rotate(folder):
    """A file for checkpoints is opened anew by SIGHUP, too; no note is lost."""
    path = os.path.join(folder, "checkpoints")
    c = Capture(folder, "--checkpoint-to", path, "--checkpoint-interval", "1", "--signing-key", os.path.join(folder, "key"))
    until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "a checkpoint")
    os.rename(path, path + ".1")
    c.process.send_signal(signal.SIGHUP)
    until(lambda: os.path.exists(path), "the new file")
    c.feed(100)
    c.finish()
    notes = [open(name).read().count("\n\n\u2014 ") for name in (path + ".1", path)]
    assert all(notes), notes


def case_hangup_ends_nothing(folder):
    """From the first moment to the last, with EVE and without, and for commands that only read."""
    for eve in (None, os.path.join(folder, "eve.json")):
        place = os.path.join(folder, "with" if eve else "without")
        os.mkdir(place)
        c = Capture(place, eve=eve)
        until(lambda: os.path.exists(os.path.join(c.store, "lock")), "the store")
        stop = threading.Event()

        def hang_up():
            while not stop.is_set() and c.process.poll() is None:
                c.process.send_signal(signal.SIGHUP)
                time.sleep(0.001)

        hanging = threading.Thread(target=hang_up)
        hanging.start()
        for _ in range(10):
            c.feed(500)
            time.sleep(0.05)
        summary, _ = c.finish()
        stop.set()
        hanging.join()
        all_stored(c, summary)
    reading = subprocess.Popen([GATETAPE, "stats", "--store", c.store, "--watch"], stdout=subprocess.PIPE)
    reading.stdout.readline()
    reading.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert reading.poll() is None, f"stats ended: {reading.returncode}"
    reading.kill()
    reading.wait()


def case_appending_is_said(folder):
    path = os.path.join(folder, "eve.json")
    for run in range(2):
        c = Capture(folder, eve=path)
        c.feed(10)
        c.finish()
        assert c.err().count("appending") == run, c.err()
    assert len(flows(lines(path))) == 20


def case_stderr_that_nobody_reads(folder):
    read, write = full_pipe()
    c = Capture(folder, eve="/dev/full", stderr=write)
    os.close(write)
    c.feed(3000)
    until(lambda: os.path.exists(os.path.join(c.store, "lock")), "the store")
    summary, seconds = c.finish(stop=signal.SIGTERM)
    os.close(read)
    assert seconds < 3, f"it took {seconds:.1f} s to end"
    assert summary["account"]["balances"], summary


def modes(folder):
    found = {}
    for at, directories, files in os.walk(folder):
        for name in directories + files:
            path = os.path.join(at, name)
            found[os.path.relpath(path, folder)] = stat.S_IMODE(os.lstat(path).st_mode)
    return found


def case_rights(folder):
    """Nobody else may read what was recorded, whatever the umask."""
    for umask in (0, 0o22, 0o77):
        place = os.path.join(folder, f"{umask:o}")
        os.mkdir(place)
        c = Capture(place, eve=os.path.join(place, "eve.json"), preexec=lambda: os.umask(umask))
        c.feed(1000)
        c.finish()
        c.extracted()
        found = modes(place)
        assert found.pop("store") == 0o700, found
        del found["err"]  # the test's own
        assert found.pop("store/requests") == 0o700, found
        assert len(found) >= 6 and set(found.values()) == {0o600}, {k: oct(v) for k, v in found.items()}


def case_group(folder):
    """--group opens the store, what is in it already, and EVE to a group."""
    need_root()
    os.chmod(folder, 0o755)
    group = grp.getgrnam("adm").gr_gid
    for run in range(2):  # the first one without
        c = Capture(folder, *(["--group", "adm"] if run else []), eve=os.path.join(folder, "eve.json"),
                    preexec=lambda: os.umask(0o77))
        c.feed(1000)
        c.finish()
    found = modes(c.store)
    assert found.pop("requests") == 0o3730, found  # members may ask, and read nothing of each other's
    assert len(found) >= 5 and set(found.values()) == {0o640}, {k: oct(v) for k, v in found.items()}
    for path in [c.store] + [os.path.join(c.store, name) for name in found]:
        assert os.stat(path).st_gid == group, path
    assert stat.S_IMODE(os.stat(c.store).st_mode) == 0o750

    def member():
        os.setgroups([group])
        os.setgid(65534)
        os.setuid(65534)

    for preexec, code in ((member, 0), (lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)), 1)):
        done = subprocess.run([GATETAPE, "extract", "--store", c.store, "-w", "/dev/null"], stderr=subprocess.PIPE,
                              preexec_fn=preexec)
        assert done.returncode == code, f"exit code {done.returncode}: {done.stderr.decode()}"


def case_user(folder):
    """--user: no rights are left, on any thread, and everything can still be written."""
    need_root()
    os.chmod(folder, 0o755)  # root's: the user may write nothing here but what was made for him
    c = Capture(folder, "--user", "nobody", eve=os.path.join(folder, "eve.json"))
    until(lambda: os.path.exists(os.path.join(c.store, "lock")), "the store")
    for task in os.listdir(f"/proc/{c.process.pid}/task"):
        with open(f"/proc/{c.process.pid}/task/{task}/status") as f:
            status = dict(line.split(":", 1) for line in f.read().splitlines())
        assert status["Uid"].split() == ["65534"] * 4 and status["Gid"].split() == ["65534"] * 4, status["Uid"]
        assert status["Groups"].split() in ([], ["65534"]), status["Groups"]
        assert [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4, status
        assert status["NoNewPrivs"].split() == ["1"] and status["Seccomp"].split() == ["2"], status
    c.feed(1000)
    os.rename(os.path.join(folder, "eve.json"), os.path.join(folder, "eve.json.1"))
    c.process.send_signal(signal.SIGHUP)  # he may not make the new file: the old one is written to
    until(lambda: "old file" in c.err(), "a word about it")
    c.feed(1000)
    summary, _ = c.finish()
    all_stored(c, summary)
    assert outlet(summary)["lost"] == 0 and len(flows(lines(os.path.join(folder, "eve.json.1")))) == 2000
    for name, mode in modes(c.store).items():
        if name.startswith("requests/"):  # of the reader, who is root here
            continue
        assert mode == (0o700 if name == "requests" else 0o600) and os.stat(os.path.join(c.store, name)).st_uid == 65534, name


run_cases(globals())
