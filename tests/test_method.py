"""Knobs: what is accepted, what is refused and in which words, and the declarations of all methods."""

import inspect
from dataclasses import dataclass, fields

import pytest

from stylelab import METHODS, job
from stylelab.errors import BadInput
from stylelab.method import Method, Params, checked, drain, knob, knobs


@dataclass(frozen=True)
class MadeUp(Params):
    """One knob of each kind."""

    strength: float = knob(0.5, "Strength", 0.0, 1.0, step=0.1)
    rounds: int = knob(3, "Rounds", 1, 10, step=1)
    mode: str = knob("soft", "Mode", choices=("soft", "hard"))
    mirror: bool = knob(False, "Mirror")


METHOD = Method("made", "", "", "", "", MadeUp, {"paper": {}, "fast": {"rounds": 1, "mode": "hard"}}, load=None, run=None)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        *[("strength", given, 0.25) for given in (0.25, "0.25", " 0.25 ", "25e-2")],
        *[("strength", given, 1.0) for given in (1, 1.0, "1")],
        *[("strength", given, 0.0) for given in (0, "0")],
        *[("rounds", given, 7) for given in (7, 7.0, "7", "7.0", " 7 ")],
        *[("rounds", given, given) for given in (1, 10)],
        *[("mode", given, given) for given in ("soft", "hard")],
        *[("mirror", given, True) for given in (True, "true", "True", "1", "yes", "ON", 1)],
        *[("mirror", given, False) for given in (False, "false", "0", "no", " off ", 0)],
        ("seed", 2**31 - 1, 2**31 - 1),
    ],
    ids=repr,
)
def test_accepted(name, given, value):
    found = getattr(METHOD.settings(**{name: given}), name)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "allowed"),
    [
        *[("strength", given, "between 0.0 and 1.0") for given in (-0.01, 1.01, "2", -1e300)],
        *[("strength", given, "a number") for given in (float("nan"), "nan", float("inf"), "-inf", "")],
        *[("strength", given, "a number") for given in ("a lot", True, [], {}, "1\n2")],
        *[("rounds", given, "between 1 and 10") for given in (0, 11, "-3")],
        *[("rounds", given, "a whole number") for given in (2.5, "2.5", "three", False, float("nan"), "1e999", len)],
        *[("mode", given, "one of soft, hard") for given in ("Soft", "", "soft ", 3, True, "soft\nhard")],
        *[("mirror", given, "true or false") for given in ("maybe", "", 2, 0.5, [], "yes\nno")],
        *[("size", given, "between 64 and 1024") for given in (63, 1025)],
        *[("seed", given, "between 0 and 2147483647") for given in (-1, 2**31)],
    ],
    ids=repr,
)
def test_refused_in_one_line_that_names_the_knob_and_what_is_allowed(name, given, allowed):
    with pytest.raises(BadInput) as refusal:
        METHOD.settings(**{name: given})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{name} must be {allowed}, not ") and sentence.endswith(".") and "\n" not in sentence


def test_unknown_preset_and_knob():
    with pytest.raises(BadInput, match=r"^preset must be one of paper, fast, not 'slow'\.$"):
        METHOD.settings("slow")
    with pytest.raises(BadInput, match=r"^made has no knob 'powr'; it has strength, rounds, .*, keep_transparency\.$"):
        METHOD.settings(powr=1)


def test_a_preset_then_the_knobs_turned():
    assert METHOD.settings() == MadeUp()
    assert METHOD.settings("fast") == MadeUp(rounds=1, mode="hard")
    assert METHOD.settings("fast", rounds="2", mode=None, size=None) == MadeUp(rounds=2, mode="hard")


def test_an_unknown_knob_is_refused_even_by_a_preset():
    wrong = Method("made", "", "", "", "", MadeUp, {"paper": {"power": 1}}, load=None, run=None)
    with pytest.raises(BadInput, match="no knob 'power'"):
        wrong.settings()


def test_own_knobs_come_first():
    assert [f.name for f in knobs(MadeUp)] == ["strength", "rounds", "mode", "mirror", "size", "seed", "keep_transparency"]


def test_drain_gives_the_last():
    assert drain(iter("abc")) == "c" and drain([]) is None


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_methods_declarations(method):
    assert METHODS[method.name] is method and method.name.isidentifier()
    assert next(iter(method.presets)) == "paper"
    assert all((method.title, method.paper, method.summary)) and method.url.startswith("https://arxiv.org/abs/")
    assert issubclass(method.params, Params) and {f.name for f in fields(Params)} <= {f.name for f in knobs(method.params)}
    for declared in knobs(method.params):
        meta, kind = declared.metadata, type(declared.default)
        assert meta["label"] and declared.name.isidentifier()
        assert checked(declared, declared.default) == declared.default
        assert (kind in (int, float)) == (meta["low"] is not None) == (meta["high"] is not None) == (meta["step"] is not None)
        assert (kind is str) == bool(meta["choices"])
        if kind in (int, float):
            assert meta["low"] < meta["high"]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_methods_inputs(method):
    names = [declared.name for declared in method.inputs]
    taken = {f.name for f in knobs(method.params)} | set(inspect.signature(job.stream).parameters)
    assert len(set(names)) == len(names) and not taken & set(names) and all(name.isidentifier() for name in names)
    for declared in method.inputs:
        assert declared.kind in job.LOADERS and declared.label and declared.help.endswith(".")
        assert declared.of in (("content", "style") if declared.kind == "mask" else ("",))


@pytest.mark.parametrize(("name", "preset"), [(name, preset) for name, method in METHODS.items() for preset in method.presets])
def test_a_preset_is_inside_its_bounds(name, preset):
    method = METHODS[name]
    settings = method.settings(preset)
    for name, value in method.presets[preset].items():
        assert getattr(settings, name) == value != getattr(method.params(), name)  # it differs from the default, or it is noise
