"""The house rules that can be read off the source: arrows go down, and what may be imported, called and kept where."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "stylelab"
# Floors, bottom first: a module imports from floors below its own (and, where `ROOMY`, from its own package).
FLOORS = (
    {"errors"},
    {"images", "memory", "method", "precision", "pyramid", "colour", "bilateral", "regions", "weights", "examples"},
    {"features", "flow", "matching", "nets", "video"},
    {"losses", "hypercolumns", "sources"},
    {"metrics", "neighbours", "decoding", "palette"},
    {"inversion", "patchpainting"},
    {"methods", "train"},
    {"job"},
    {"batch", "clip"},
    {"accuracy"},
    {"__init__", "bench", "figures"},
    {"ui", "__main__"},
    {"app"},
)
ROOMY = {"accuracy", "ui", "train", "nets", "examples"}
WEIGHTS_USERS = {"features", "ui", "__main__", "bench", "figures", "train", "nets"}  # and the `load` of a method
CARD = {"app.py", "stylelab", "weights", "requirements.txt", "tests", "README.md", "LICENSE", "pyproject.toml"}
IGNORED = {"runs", "data", "__pycache__"}  # see .gitignore

FILES = [ROOT / "app.py", *sorted((ROOT / PACKAGE).rglob("*.py"))]
SOURCES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in FILES}
MODULES = {name.replace("/", ".").removesuffix(".__init__") for name in SOURCES}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def imported(name: str) -> set[str]:
    """Dotted names of all that a source imports, anywhere in it: `stylelab.images`, `torch.nn`, ..."""
    folder, found = name.split("/")[:-1], set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            modules = {f"{origin}.{alias.name}" for alias in node.names if f"{origin}.{alias.name}" in MODULES}
            found |= modules if len(modules) == len(node.names) else modules | {origin}
    return found


def room(dotted: str) -> str:
    """`stylelab.methods.nnst` -> methods, `stylelab` -> __init__, `app` -> app."""
    parts = dotted.replace("/", ".").split(".")
    return parts[0] if parts[0] != PACKAGE else (parts[1:] or ["__init__"])[0]


def floor(name: str) -> int:
    return next((i for i, rooms in enumerate(FLOORS) if name in rooms), -1)


def inside(name: str) -> set[str]:
    """The modules of the package that a source imports."""
    return {module for module in imported(name) if module.split(".")[0] == PACKAGE}


@pytest.mark.parametrize("name", SOURCES)
def test_arrows_go_down(name):
    here = room(name)
    assert floor(here) >= 0, f"{name} has no floor: give it one here"
    wrong = {m for m in inside(name) if floor(room(m)) >= floor(here) and not (room(m) == here and here in ROOMY)}
    assert not wrong


def test_the_reader_of_imports_sees_them():
    assert {"stylelab.images", "stylelab.features", "torch"} <= imported("stylelab/methods/nnst")
    assert {"stylelab.weights", "stylelab.job"} <= imported("stylelab/__main__")
    assert "stylelab.ui" in imported("app") and "gradio" in imported("stylelab/ui/tab")
    assert "stylelab.train" in imported("stylelab/train/encoder")


@pytest.mark.parametrize("name", SOURCES)
def test_gradio_stays_upstairs(name):
    if room(name) not in ("app", "ui"):
        assert not {module for module in imported(name) if module.split(".")[0].startswith("gradio")}


def test_pictures_need_nothing_of_the_house():
    assert inside("stylelab/images") == {"stylelab.errors"} and inside("stylelab/errors") == set()


@pytest.mark.parametrize("name", [name for name in SOURCES if room(name) == "methods"])
def test_a_method_stands_alone(name):
    assert not {module for module in inside(name) if room(module) in ("methods", "job", "ui", "metrics", "train")}


@pytest.mark.parametrize("name", SOURCES)
def test_weights_are_found_by_loaders_only(name):
    if "stylelab.weights" not in inside(name) or room(name) in WEIGHTS_USERS:
        return
    assert room(name) == "methods"
    loaders = [node for node in TREES[name].body if isinstance(node, ast.FunctionDef) and node.name.startswith("load")]
    within = {id(node) for loader in loaders for node in ast.walk(loader)}
    assert all(id(n) in within for n in ast.walk(TREES[name]) if isinstance(n, ast.Name) and n.id == "weights")


def calls(name: str):
    """(dotted name of what is called, the call) for every call by name in a source."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("name", SOURCES)
def test_a_pickle_is_never_run(name):
    for called, call in calls(name):
        if called == "torch.load":
            assert any(k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in call.keywords)
    assert not {"pickle", "dill", "joblib"} & {module.split(".")[0] for module in imported(name)}


QUIET = [
    name
    for name in SOURCES
    if room(name) in {"methods", "nets", "features", "matching", "losses", "colour", "bilateral", "pyramid", "regions"}
    or room(name) in {"hypercolumns", "sources", "neighbours", "decoding", "palette", "patchpainting"}
]


@pytest.mark.parametrize("name", QUIET)
def test_methods_neither_print_nor_seed_globally(name):
    made = {called for called, _ in calls(name)}
    assert not made & {"print", "torch.manual_seed", "torch.cuda.manual_seed_all", "random.seed", "np.random.seed"}


@pytest.mark.parametrize("name", [name for name in SOURCES if room(name) == "methods"])
def test_no_context_of_torch_is_open_across_a_yield(name):
    """Grad mode and autocast belong to a thread; a generator does not."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.With):
            opened = {word for item in node.items for word in ast.unparse(item.context_expr).replace("(", ".").split(".")}
            if opened & {"no_grad", "enable_grad", "inference_mode", "autocast", "fast_arithmetic", "set_grad_enabled", "stream"}:
                assert not any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)), f"line {node.lineno}"


def test_the_top_level_is_the_owners_card():
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - IGNORED
    assert entries <= CARD
    assert CARD - entries <= {"LICENSE", "pyproject.toml"}
