"""clang-tidy over the project's .cpp files, many at a time: tidy.py JOBS FILE...

Nearly all of clang-tidy's time goes into the headers of a file: it parses them, and every check then
walks the whole of what was parsed. So files that compile with the same flags are read as one unit
that includes them all. A unit in which anything is found, or that is no valid program, as two of its
files give one name to different things, says nothing: its files are then read one by one, and only
what is found there counts.

One check looks at nothing but the file that clang-tidy was started with: misc-unused-alias-decls. It
is made here, by the text.

A file that passed leaves a stamp in build/lint, named by a hash of all that its result hangs on.
"""

import concurrent.futures
import functools
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys

LINT = pathlib.Path("build/lint")
FILES_MAX = 14  # of a unit
LINES_MAX = 3000

INCLUDE = re.compile(r'^ *#include "([^"]+)"', re.M)
# What a file gives a name to in the namespace of all, or in an unnamed one: our format begins such
# lines in the first column. Each with the text that another file may have as well.
SHARED_NAMES = [re.compile(r"^(using (\w+) = .*)$", re.M), re.compile(r"^(using [\w:]*::(\w+);)$", re.M),
                re.compile(r"^(namespace (\w+) = .*)$", re.M)]
OWN_NAMES = [re.compile(r"^(?:template <.*> )?(?:class|struct|union|enum(?: class)?) (\w+)", re.M),
             re.compile(r"^(?!TEST|INSTANTIATE|using|return)\w[\w:<>,&* ]*[ &*](\w+)\(", re.M),
             re.compile(r"^(?:const|static|inline|thread_local)[^=({;]*[ &*](\w+) *[={\[;(]", re.M),
             re.compile(r"^#define (\w+)", re.M)]
LITERALS = re.compile(r'^using .*(?:_literals;|operator"").*$', re.M)  # one set would hide another


@functools.cache
def text_of(path):
    return pathlib.Path(path).read_text() if pathlib.Path(path).is_file() else None


@functools.cache
def includes_of(path):
    return [name for name in INCLUDE.findall(text_of(path)) if text_of(name) is not None]


def reach(path):
    """The file, every project header that it includes, directly or not, and those beside it."""
    seen, queue = set(), [path] + [str(p) for p in pathlib.Path(path).parent.glob("*.hpp")]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += includes_of(name)
    return sorted(seen)


def stamp_of(path):
    state = hashlib.sha256(path.encode())
    rules = [str(folder / ".clang-tidy") for folder in pathlib.Path(path).parents]
    for name in reach(path) + [name for name in rules if text_of(name) is not None]:
        state.update(text_of(name).encode())
    return LINT / state.hexdigest()[:40]


def names_of(path):
    """{name: the text that may be repeated, or the file, which no other is}"""
    names = {}
    if literals := sorted(LITERALS.findall(text_of(path))):
        names[""] = str(literals)
    for pattern in SHARED_NAMES:
        names.update({name: text for text, name in pattern.findall(text_of(path))})
    for pattern in OWN_NAMES:
        names.update({name: path for name in pattern.findall(text_of(path))})
    return names


def commands():
    """{file: its compiler flags}; and for clang-tidy the same as build/lint/compile_commands.json, in
    which the files that are compiled together stand one by one."""
    here, flags, entries = pathlib.Path.cwd(), {}, []
    for entry in json.loads(pathlib.Path("build/release/compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        del words[words.index("-c") : words.index("-c") + 2]
        del words[words.index("-o") : words.index("-o") + 2]
        together = "/Unity/unity_" in entry["file"]
        for file in INCLUDE.findall(text_of(entry["file"])) if together else [entry["file"]]:
            flags[str(pathlib.Path(file).relative_to(here))] = tuple(words)
            entries.append({"directory": entry["directory"], "file": file,
                            "arguments": [*words, "-c", file]})
    (LINT / "compile_commands.json").write_text(json.dumps(entries))
    return flags


class Unit:
    def __init__(self, flags, is_test):
        self.flags, self.is_test, self.files, self.names, self.lines = flags, is_test, [], {}, 0

    def takes(self, path, flags, names):
        return (flags == self.flags and self.is_test == path.startswith("tests/")
                and len(self.files) < FILES_MAX
                and self.lines + text_of(path).count("\n") <= LINES_MAX
                and all(self.names.get(name, text) == text for name, text in names.items()))

    def add(self, path, names):
        self.files.append(path)
        self.names.update(names)
        self.lines += text_of(path).count("\n")


def make_units(files):
    flags, units = commands(), []
    for path in files:
        names = names_of(path)
        unit = next((u for u in units if path in flags and u.takes(path, flags[path], names)), None)
        if unit is None:
            unit = Unit(flags.get(path), path.startswith("tests/"))
            units.append(unit)
        unit.add(path, names)
    return sorted(units, key=lambda unit: -unit.lines)  # the longest first


def read(source, database, *options):
    """What clang-tidy finds in it; nothing if it passes."""
    done = subprocess.run(
        ["clang-tidy", "-quiet", "-warnings-as-errors=*", "-p", database,
         "--extra-arg=-Wno-unknown-warning-option", *options, source],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = [line for line in done.stdout.split("\n") if not line.endswith("generated.")]
    return "\n".join(lines) if done.returncode else ""


def read_together(number, unit):
    folder = LINT / "units" / ("tests" if unit.is_test else "") / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "unit.cpp"
    source.write_text("".join(f'#include "{path}"\n' for path in unit.files))
    (folder / "compile_commands.json").write_text(json.dumps([{
        "directory": str(pathlib.Path.cwd()), "file": str(source.absolute()),
        "arguments": [*unit.flags, "-c", str(source.absolute())]}]))
    # The files are not headers, but are to be told of like those.
    shown = re.search(r"HeaderFilterRegex: '(.*)'", text_of(".clang-tidy")).group(1)
    return read(str(source), str(folder), "-header-filter=" + shown.replace("hpp", "[ch]pp"))


def unused_aliases(path):
    code = re.sub(r"//.*", "", text_of(path))
    return "".join(f"{path}: error: namespace alias '{name}' is unused [misc-unused-alias-decls]\n"
                   for name in re.findall(r"^ *namespace (\w+) =", code, re.M)
                   if not re.search(rf"\b{name}::", code))


def check(number, unit, stamps):
    """What is found in its files, and leaves the stamps of those that pass."""
    together = len(unit.files) > 1 and not read_together(number, unit)
    if len(unit.files) > 1 and not together:
        print("clang-tidy: one by one: " + " ".join(unit.files), flush=True)
    found = ""
    for path in unit.files:
        findings = unused_aliases(path) + ("" if together else read(path, str(LINT)))
        if not findings:
            stamps[path].touch()
        found += findings
    return found


def main():
    jobs, files = int(sys.argv[1]), sys.argv[2:]
    LINT.mkdir(parents=True, exist_ok=True)
    (LINT / "units" / "tests").mkdir(parents=True, exist_ok=True)
    (LINT / "units" / "tests" / ".clang-tidy").write_text(text_of("tests/.clang-tidy"))
    stamps = {path: stamp_of(path) for path in files}
    units = make_units([path for path in files if not stamps[path].exists()])
    count = sum(len(unit.files) for unit in units)
    print(f"clang-tidy: {count} of {len(files)} files to read, in {len(units)} units", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(lambda one: check(*one, stamps), enumerate(units)))
    print("".join(found), end="")
    sys.exit(1 if any(found) else 0)


main()
