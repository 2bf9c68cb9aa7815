"""The reference of the Python package, from its signatures and docstrings."""

import dataclasses
import importlib
import inspect
import sys


def reference(folder):
    sys.path.insert(0, str(folder))
    package = importlib.import_module("flash_pi")
    parts = ["# The Python package `flash_pi`\n", text_of(package)]
    for name in sorted(package.__all__, key=lambda each: (each[0].isupper(), each)):
        thing = getattr(package, name)
        if inspect.isclass(thing):
            parts += class_part(name, thing)
        elif inspect.isfunction(thing):
            parts += [f"## {name}\n", signature(name, thing), text_of(thing)]
        else:
            parts += [f"## {name}\n", f"One of the words `{'`, `'.join(thing.__args__)}`.\n"]
    return "\n".join(parts)


def class_part(name, thing):
    parts = [f"## {name}\n"]
    own = not thing.__module__.endswith("_native") and not dataclasses.is_dataclass(thing) and "__init__" in vars(thing)
    if own or issubclass(thing, Exception):
        parts.append(signature(name, thing))
    parts.append(text_of(thing))
    if dataclasses.is_dataclass(thing):
        parts.append("\n".join(f"- `{field.name}`: `{field.type}`" for field in dataclasses.fields(thing)) + "\n")
    for member, value in vars(thing).items():
        if member.startswith("_") or not inspect.getdoc(value):
            continue
        value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if isinstance(value, property):
            parts += [f"### {name}.{member}\n", text_of(value)]
        elif inspect.isroutine(value):
            shown = signature(f"{name}.{member}", value)
            parts += [f"### {name}.{member}\n", shown, text_of(value)]
    return parts


def signature(name, thing):
    try:
        found = inspect.signature(thing)
    except ValueError:  # of the extension module, whose docstrings begin with it
        return ""
    # Annotations are strings, which would show their quotes.
    words, starred = [], False
    for each in found.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        words.append({each.VAR_KEYWORD: "**", each.VAR_POSITIONAL: "*"}.get(each.kind, "") + each.name
                     + (f": {each.annotation}" if each.annotation is not each.empty else "")
                     + (f" = {each.default!r}" if each.default is not each.empty else ""))
    after = "" if found.return_annotation in (found.empty, "None") else f" -> {found.return_annotation}"
    prefix = "async " if inspect.iscoroutinefunction(thing) else ""
    line = f"{prefix}{name}({', '.join(words)}){after}"
    if len(line) > 100:
        line = f"{prefix}{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){after}"
    return f"```python\n{line}\n```\n"


def text_of(thing):
    """Docstrings with Args, Attributes and Raises as lists."""
    out, inside = [], False
    for line in inspect.getdoc(thing).split("\n"):
        if line in ("Args:", "Attributes:"):
            out += ["", f"**{line[:-1]}**", ""]
            inside = True
        elif inside and line.startswith("    ") and not line.startswith("     "):
            name, _, rest = line.strip().partition(":")
            out.append(f"- `{name}`:{rest}")
        elif inside and line.startswith("     "):
            out.append("  " + line.strip())
        else:
            inside = inside and not line.strip()
            out.append(line)
    text = "\n".join(out)
    if "\n\nimport " in text:  # an example, as a block
        before, example = text.split("\n\nimport ", 1)
        text = f"{before}\n\n```python\nimport {example}\n```"
    return text + "\n"
