"""The ctypes declarations are those of the header: names, order and types."""

import ctypes
import re
from pathlib import Path

import pytest
from swiftep import _errors, _prototypes, _structures

HEADER = Path(__file__).resolve().parents[2] / "Sources" / "CSwiftEP" / "include" / "swiftep.h"

NUMBERS = {
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
}


def camel(name):
    return "".join(word.capitalize() for word in name.removeprefix("swiftep_").split("_"))


class Header:
    """What the header declares, as ctypes would have it."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.constants = {n: int(v) for n, v in re.findall(r"^#define SWIFTEP_(\w+) (\d+)$", text, flags=re.M)}
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        text = re.sub(r"\s+", " ", text)
        self.types = dict(NUMBERS)
        for number, name in re.findall(r"typedef (\w+) (\w+);", text):
            self.types[name] = NUMBERS[number]
        self.structures = {}
        for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text):
            fields = [self.field(f) for f in body.split(";") if f.strip()]
            self.structures[camel(name)] = fields
            self.types[name] = getattr(_structures, camel(name))
        text = re.sub(r"typedef struct \{.*?\} \w+;|typedef [^;]*;", " ", text)
        self.functions = {
            name: (self.type(result), self.arguments(arguments))
            for result, name, arguments in re.findall(r"([\w ]+[ *])(swiftep_\w+)\(([^;]*)\);", text)
        }

    def field(self, text):
        kind, name, count = re.fullmatch(r"(\w+) (\w+)(?:\[(\d+)\])?", text.strip()).groups()
        return name, (ctypes.c_char if kind == "char" else self.types[kind]) * int(count) if count else self.types[kind]

    def type(self, text):
        words = text.replace("*", " * ").split()
        words = [w for w in words if w != "const"]
        if words[-1] != "*":
            (kind,) = words
            return self.types[kind]
        kind = words[0]
        if kind == "char":
            return ctypes.c_char_p
        return ctypes.c_void_p if kind == "void" else ctypes.POINTER(self.types[kind])

    def arguments(self, text):
        text = text.strip()
        if text == "void":
            return []
        text = text.replace("int32_t (*body)(void *context)", "BODY body")
        kinds = [re.fullmatch(r"(.*?)\w+", a.strip()).group(1).strip() for a in text.split(",")]
        return [_prototypes.Body if kind == "BODY" else self.type(kind) for kind in kinds]


@pytest.fixture(scope="module")
def header():
    return Header(HEADER.read_text())


def test_the_header_is_read_whole(header):
    text = HEADER.read_text()
    names = set(re.findall(r"\b(swiftep_\w+)\(", text))
    assert names == set(header.functions) and len(names) > 45
    assert len(header.structures) == text.count("typedef struct {")


def test_functions(header):
    assert list(_prototypes.PROTOTYPES) == list(header.functions)
    for name, (result, arguments) in header.functions.items():
        assert _prototypes.PROTOTYPES[name] == (result, arguments), name


def test_structures(header):
    declared = {
        name: value
        for name, value in vars(_structures).items()
        if isinstance(value, type) and issubclass(value, _structures.Structure) and value is not _structures.Structure
    }
    assert list(declared) == list(header.structures)
    for name, fields in header.structures.items():
        assert list(declared[name]._fields_) == fields, name
        value = declared[name]()
        assert value.size == ctypes.sizeof(value), name


def test_constants(header):
    declared = {n: v for n, v in vars(_structures).items() if n.isupper() and isinstance(v, int)}
    assert declared == header.constants


def test_every_result_has_an_exception(header):
    codes = [header.constants[n] for n in ("INVALID", "STATE", "TIMEOUT", "DEVICE", "TRANSPORT", "INTERNAL")]
    for code in codes:
        assert _errors.error(code, "text").code == code
        assert str(_errors.error(code, "text")) == "text"
    assert isinstance(_errors.error(99, "text"), _errors.InternalError)
