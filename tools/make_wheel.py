#!/usr/bin/env python3
"""Makes a pip wheel of a build: the programs on PATH, with the libraries and weights that they need, and nothing else.
  tools/make_wheel.py [BUILD [FOLDER]]     BUILD: build/release, built whole; FOLDER: where the wheel is written, BUILD
"""
import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

METADATA = """Metadata-Version: 2.1
Name: superres
Version: {version}
Summary: Super-resolution of large TIFF scenes: the programs, no Python modules
License: Apache-2.0
Requires-Python: >=3.8
Description-Content-Type: text/plain

Puts {programs} on PATH, with the libraries and the weights that they
need. `eval_superres_net --data_path scene.tif --upsampling_factor 2` enlarges a scene; --help lists a program's options.
"""

WHEEL = """Wheel-Version: 1.0
Generator: superres
Root-Is-Purelib: false
Tag: {tag}
"""

# A program finds libraries and weights from where it lies itself, so it is not in the folder of scripts.
MODULE = '''"""The programs of superres; no Python modules."""
import os
import sys


def run():
    """Becomes the program that the script is named after."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", os.path.basename(os.path.realpath(sys.argv[0])))
    os.execv(program, [program] + sys.argv[1:])
'''


def fail(text, status=1):
    print(f"make_wheel.py: error: {text}", file=sys.stderr)
    sys.exit(status)


def version_of(build):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as cache:
        return re.search(r"^CMAKE_PROJECT_VERSION:STATIC=(.*)$", cache.read(), re.MULTILINE).group(1)


def install(build, prefix):
    for arguments in (["--strip", "--component", "Unspecified"], ["--component", "bundle"]):
        done = subprocess.run(["cmake", "--install", build, "--prefix", prefix] + arguments,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            fail(f"installing {build} failed:\n{done.stderr.strip()}")


def platform_tag(prefix):
    """manylinux_2_N_x86_64: of the oldest C library that has all symbols which programs and libraries want."""
    files = [file for folder in ("bin", "lib") for file in files_below(os.path.join(prefix, folder))]
    told = subprocess.run(["objdump", "--dynamic-syms", *files], stdout=subprocess.PIPE, text=True, check=True)
    newest = max(int(minor) for minor in re.findall(r"\*UND\*.*\(GLIBC_2\.(\d+)", told.stdout))
    return f"manylinux_2_{newest}_{os.uname().machine}"


def files_below(folder):
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(path, name)


def content(prefix, dist_info):
    """Pairs of a path in the wheel and a file."""
    documents = os.path.join(prefix, "share/doc/superres")
    for folder in ("bin", "lib", "share/superres/pretrained", "share/proj"):
        for file in files_below(os.path.join(prefix, folder)):
            yield "superres/" + os.path.relpath(file, prefix), file
    for name in ("LICENSE", "THIRD_PARTY.md"):
        yield f"{dist_info}/licenses/{name}", os.path.join(documents, name)
    for file in files_below(os.path.join(documents, "licences")):
        yield f"{dist_info}/licenses/libraries/" + os.path.basename(file), file


class Wheel:
    def __init__(self, path):
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self.record = ""

    def add(self, path, data, mode=0o644):
        entry = zipfile.ZipInfo(path)  # of 1980: the same bytes whenever it is made
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record += f"{path},sha256={digest},{len(data)}\n"

    def finish(self, dist_info):
        self.add(f"{dist_info}/RECORD", (self.record + f"{dist_info}/RECORD,,\n").encode())
        self.zip.close()


def main():
    if len(sys.argv) > 3:
        fail("want a build folder and a folder for the wheel, not more", 2)
    build = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release")
    folder = sys.argv[2] if len(sys.argv) > 2 else build
    version = version_of(build)
    dist_info = f"superres-{version}.dist-info"
    with tempfile.TemporaryDirectory() as prefix:
        install(build, prefix)
        programs = sorted(os.listdir(os.path.join(prefix, "bin")))
        tag = f"py3-none-{platform_tag(prefix)}"
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"superres-{version}-{tag}.whl")
        wheel = Wheel(path + ".part")
        wheel.add("superres/__init__.py", MODULE.encode())
        for name, file in content(prefix, dist_info):
            with open(file, "rb") as data:
                wheel.add(name, data.read(), 0o755 if os.access(file, os.X_OK) else 0o644)
        wheel.add(f"{dist_info}/METADATA", METADATA.format(version=version, programs=", ".join(programs)).encode())
        wheel.add(f"{dist_info}/WHEEL", WHEEL.format(tag=tag).encode())
        scripts = "".join(f"{name} = superres:run\n" for name in programs)
        wheel.add(f"{dist_info}/entry_points.txt", f"[console_scripts]\n{scripts}".encode())
        wheel.finish(dist_info)
    os.rename(path + ".part", path)
    print(f"wrote {path}: {os.path.getsize(path) >> 20} MB")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:  # no build folder, no objdump, a full disk
        fail(error)
