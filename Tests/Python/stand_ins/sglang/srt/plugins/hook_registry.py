"""Hooks on functions and methods, which reach modules that imported a function by name."""

import functools
import pkgutil
import sys
import types
from enum import Enum


class HookType(Enum):
    BEFORE = "before"
    AFTER = "after"
    AROUND = "around"
    REPLACE = "replace"


class HookRegistry:
    hooks = []

    @classmethod
    def register(cls, target, hook, hook_type=HookType.AFTER, *, source=None):
        cls.hooks.append((target, hook, hook_type))

    @classmethod
    def apply_hooks(cls):
        for target, hook, hook_type in cls.hooks:
            assert hook_type is HookType.AROUND, "the plug-in needs no other"
            holder_path, name = target.rsplit(".", 1)
            holder = pkgutil.resolve_name(holder_path)
            original = getattr(holder, name)
            wrapped = _around(original, hook)
            setattr(holder, name, wrapped)
            for module in list(sys.modules.values()):
                for key, value in list(vars(module).items()) if isinstance(module, types.ModuleType) else ():
                    if value is original:
                        setattr(module, key, wrapped)


def _around(original, hook):
    @functools.wraps(original)
    def wrapper(*arguments, **keywords):
        return hook(original, *arguments, **keywords)

    return wrapper
