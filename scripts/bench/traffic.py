"""The captures that are measured on: real traffic made once and kept, or small synthetic ones for --quick."""
import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
SYNTHETIC = Path(__file__).resolve().parent / "synthetic.py"
SHARED = Path(os.environ.get("GATETAPE_SHARED", SCRIPTS.parent.parent / "shared"))


class Missing(Exception):
    """A line that cannot be measured here; the text says why."""


def make(path, command):
    """Runs `command`, which writes to a name of its own, unless `path` is there; a broken run leaves nothing."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    print(f"bench: making {path}", file=sys.stderr)
    subprocess.run([sys.executable, SYNTHETIC, *(part if word is None else word for word in command)], check=True,
                   stderr=subprocess.DEVNULL)
    part.rename(path)
    return path


class Traffic:
    def __init__(self, directory, seconds, quick):
        self.directory, self.seconds, self.quick = Path(directory), seconds, quick

    def capture(self, mode, seconds=None):
        """Path of the pcap of 'repeat', 'proxy', 'unique' or 'tls' traffic."""
        if self.quick and mode == "tls":
            raise Missing("--quick has no encrypted traffic")
        if self.quick:
            return make(self.directory / "quick" / f"{mode}.pcap", ["http", None, "--mode", mode])
        seconds = seconds or self.seconds
        folder = self.directory / f"{mode}-{seconds}s"
        if (folder / "complete").exists():
            return folder / "traffic.pcap"
        if os.geteuid() != 0:
            raise Missing(f"no {mode} traffic in {folder}, and making it needs root")
        maker = SHARED / "lab" / "make-traffic.sh"
        if not maker.exists():
            maker = SCRIPTS / "lab" / "make-traffic.sh"
        print(f"bench: making {seconds} s of {mode} traffic in {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["bash", maker, folder, str(seconds), "3" if mode == "unique" else "40", mode], check=True,
                       stdout=sys.stderr)
        (folder / "archive.bin").unlink(missing_ok=True)
        (folder / "complete").touch()
        return folder / "traffic.pcap"

    def with_slow_connection(self, capture):
        return make(capture.with_name(capture.stem + "-slow.pcap"), ["slow", capture, None])

    def flows(self, concurrent):
        total = 2000 if self.quick else 1_000_000
        folder = self.directory / ("quick" if self.quick else "flows")
        return make(folder / f"flows-{concurrent}.pcap",
                    ["flows", None, "--flows", str(total), "--concurrent", str(min(concurrent, total))])

    def rules(self):
        """The big public rule set; for --quick the demo's."""
        if self.quick:
            return SCRIPTS / "lab" / "demo.rules"
        found = sorted((SHARED / "rules").glob("et-open-*.rules"))
        if not found:
            raise Missing(f"no et-open-*.rules in {SHARED / 'rules'} (GATETAPE_SHARED names another place)")
        return found[-1]
