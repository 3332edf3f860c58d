"""Holds a wheel against what pip and a system without our libraries ask of it:  wheel_judge.py WHEEL FOLDER
Unpacks it into FOLDER as pip does. Prints what is wrong, a line each."""
import base64
import csv
import hashlib
import os
import re
import subprocess
import sys
import zipfile

# What every system with this C library has.
SYSTEMS_OWN = re.compile(r"(ld-linux-x86-64|lib(c|m|mvec|pthread|dl|rt|resolv))\.so\.\d+$")


def record_faults(wheel):
    record = next(name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
    rows = {row[0]: row for row in csv.reader(wheel.read(record).decode().splitlines())}
    for name in set(rows) ^ set(wheel.namelist()):
        yield f"{name}: not both in RECORD and in the wheel"
    for name in set(rows) & set(wheel.namelist()) - {record}:
        data = wheel.read(name)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if rows[name][1:] != [f"sha256={digest}", str(len(data))]:
            yield f"{name}: RECORD has another checksum or size"


def unpack(wheel, folder):
    for entry in wheel.infolist():
        path = wheel.extract(entry, folder)
        if entry.external_attr >> 16 & 0o111:
            os.chmod(path, 0o755)


def told(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def binary_faults(folder, newest):
    libraries = os.listdir(os.path.join(folder, "lib"))
    for kind in ("bin", "lib", "lib/superres"):
        for name in os.listdir(os.path.join(folder, kind)) if os.path.isdir(os.path.join(folder, kind)) else []:
            path = os.path.join(folder, kind, name)
            if os.path.isdir(path):
                continue
            dynamic = told("readelf", "--dynamic", path)
            for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
                if needed not in libraries and not SYSTEMS_OWN.match(needed):
                    yield f"{name}: needs {needed}, which is not there"
            if kind == "bin" and "(RPATH)              Library rpath: [$ORIGIN/../lib]" not in dynamic:
                yield f"{name}: does not look for libraries in ../lib"
            for minor in set(re.findall(r"Name: GLIBC_2\.(\d+)", told("readelf", "--version-info", path))):
                if int(minor) > newest:
                    yield f"{name}: needs a C library 2.{minor}, the wheel is for 2.{newest}"


def main():
    path, folder = sys.argv[1:]
    faults = []
    with zipfile.ZipFile(path) as wheel:
        faults += record_faults(wheel)
        unpack(wheel, folder)
    tag = re.search(r"-py3-none-manylinux_2_(\d+)_x86_64\.whl$", path)
    faults += binary_faults(os.path.join(folder, "superres"), int(tag.group(1))) if tag else [f"{path}: tag?"]
    print("\n".join(faults), end="")


if __name__ == "__main__":
    main()
