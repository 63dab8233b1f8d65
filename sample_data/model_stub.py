"""Write what tells type checkers of the models, as objects and by name: `make readme`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from noisify.noise import registry
from noisify.plan.model_spec import class_names, class_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "noisify"
STUB = PACKAGE / "models.pyi"
NAMES = PACKAGE / "plan" / "model_names.py"
_HEAD = '''"""The noise models as objects; `make readme` has written this."""

from collections.abc import Iterable

from noisify.plan.model_names import ModelName as ModelName
from noisify.plan.model_spec import ModelSpec as ModelSpec

__all__: list[str]
'''
_NAMES_HEAD = '''"""The names of the noise models; `make readme` has written this."""

from typing import Literal

ModelName = Literal[
'''


def stub() -> str:
    """Return the text of the stub file, from the models' table."""
    return _HEAD + "".join(f"\n{line}" for name in class_names() for line in _class(name)) + "\n"


def _class(name: str) -> Iterator[str]:
    model = class_of(name)
    first, *others = (model.__doc__ or "").replace("\\", "\\\\").split("\n")
    yield ""
    yield f"class {name}(ModelSpec):"
    yield f'    """{first}'
    yield from (f"    {line}".rstrip() for line in others)
    yield from ('    """', "", "    def __init__(", "        self,", "        *,")
    for parameter in inspect.signature(model).parameters.values():
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        line = f"        {parameter.name}: {parameter.annotation}{default},"
        yield line.replace("'", '"')
    yield "    ) -> None: ..."


def names() -> str:
    """Return the text of the module that lists the models' names, from the models' table."""
    listed = [name for entry in registry.MODELS for name in (entry.name, *entry.aliases)]
    return _NAMES_HEAD + "".join(f'    "{name}",\n' for name in listed) + "]\n"


if __name__ == "__main__":
    NAMES.write_text(names(), encoding="utf-8")
    STUB.write_text(stub(), encoding="utf-8")
