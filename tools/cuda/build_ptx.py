"""Compiles the kernels to PTX with NVRTC; tools/cuda/build-ptx.sh fetches it and calls this.

    python build_ptx.py LIBNVRTC KERNELS OUT

One file for each kernel of half precision and target, because a driver compiles all of a file when
it loads it; the others gain nothing from newer targets. OUT/SOURCE says what they were made from.
"""

import ctypes
import pathlib
import re
import sys

# Compute capabilities; a card takes the newest that is not newer than itself.
TARGETS = [75, 80]
OPTIONS = ["--std=c++17", "--extra-device-vectorization"]


def fnv1a(data):
    """64-bit FNV-1a, which the test that the PTX is current computes as well."""
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


class Nvrtc:
    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        result = getattr(self.library, name)(*arguments)
        if result:
            raise RuntimeError(f"{name}: {self.library.nvrtcGetErrorString(result).decode()}")

    def version(self):
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def compile(self, source, name, target, headers):
        program = ctypes.c_void_p()
        names = [header.encode() for header in headers]
        texts = [text.encode() for text in headers.values()]
        array = ctypes.c_char_p * len(headers)
        self.call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), name.encode(),
                  len(headers), array(*texts), array(*names))
        options = [o.encode() for o in [f"--gpu-architecture=compute_{target}", *OPTIONS]]
        result = self.library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = self.text("nvrtcGetProgramLog", program)
        if result or log.strip():
            sys.exit(f"{name} for compute capability {target / 10}:\n{log}")
        return self.text("nvrtcGetPTX", program)

    def text(self, what, program):
        size = ctypes.c_size_t()
        self.call(f"{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self.call(what, program, text)
        return text.value.decode()


def main(library, kernels, out):
    nvrtc = Nvrtc(library)
    kernels, out = pathlib.Path(kernels), pathlib.Path(out)
    files = {path.name: path.read_text() for path in sorted(kernels.iterdir())}
    headers = {name: text for name, text in files.items() if name.endswith(".cuh")}
    programs = [(name.removesuffix(".cu"), text, TARGETS[:1]) for name, text in files.items() if name.endswith(".cu")]
    for line in files["step_half.def"].splitlines():
        if kernel := re.match(r"STEP_HALF\((\w+),", line):
            programs.append((kernel[1], f'#include "step_half.cuh"\n{line}\n', TARGETS))
    for old in out.glob("*.ptx"):
        old.unlink()
    for name, source, targets in programs:
        for target in targets:
            ptx = nvrtc.compile(source, f"{name}.cu", target, headers)
            # What NVRTC says of itself, apart from the version, is of no use to a driver.
            ptx = re.sub(r"\A(//.*\n|\n)+", "", ptx)
            (out / f"{name}.{target}.ptx").write_text(ptx)
    digest = fnv1a(b"".join(name.encode() + b"\0" + text.encode() + b"\0" for name, text in files.items()))
    (out / "SOURCE").write_text(f"NVRTC {nvrtc.version()}\nkernels {digest}\n")


main(*sys.argv[1:])
