"""`CachedFunction`: how it binds, what it keeps, and when it leaves a call to its slow path."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import itertools
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from everfresh._native import CachedFunction
from hypothesis import given, settings
from hypothesis import strategies as st

# Arguments of whatever kind.
Loose = Any
Options = dict[str, Any]
MINUTE = 60_000_000_000


class Slow:
    """The simplest slow path: calls the function, stores with `options`, and writes down what it was given."""

    def __init__(self, function: Callable[..., object], options: Options) -> None:
        self.function = function
        self.options = options
        self.calls: list[tuple[tuple[object, ...], dict[str, object] | None, object]] = []

    def __call__(
        self, me: CachedFunction, args: tuple[Loose, ...], kwargs: dict[str, Loose] | None, state: Loose
    ) -> Loose:
        self.calls.append((args, kwargs, state))
        if state is not None and (found := me.find(args, kwargs)) is not None:
            me.hit()
            return found[0]
        value = self.function(*args, **(kwargs or {}))
        me.put(args, kwargs, value, **self.options)
        return value


def cached(
    function: Callable[..., object], ignore: tuple[str, ...] = (), **options: Loose
) -> tuple[CachedFunction, Slow]:
    """A cached function with the parameters of `function`, and its slow path."""
    parameters = list(inspect.signature(function).parameters.values())
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    bounds = {name: options.pop(name, None) for name in ("maxsize", "maxbytes", "idle_ns", "guard")}
    typed = options.pop("typed", False)
    slow = Slow(function, options)
    made = CachedFunction(
        function,
        slow,
        names=tuple(p.name for p in named),
        positional_only=sum(p.kind is p.POSITIONAL_ONLY for p in named),
        positional=sum(p.kind is not p.KEYWORD_ONLY for p in named),
        defaults=tuple((at, p.default) for at, p in enumerate(named) if p.default is not p.empty),
        ignore=tuple(at for at, p in enumerate(named) if p.name in ignore),
        var_positional=any(p.kind is p.VAR_POSITIONAL for p in parameters),
        var_keyword=any(p.kind is p.VAR_KEYWORD for p in parameters),
        typed=typed,
        is_async=False,
        **bounds,
    )
    return made, slow


def test_positions_names_and_defaults_meet_in_one_entry() -> None:
    def function(x: int, y: int = 2, *, z: int = 3) -> tuple[int, int, int]:
        return x, y, z

    f, slow = cached(function)
    calls: list[Callable[[], object]] = [
        lambda: f(1),
        lambda: f(x=1),
        lambda: f(1, 2),
        lambda: f(1, y=2),
        lambda: f(y=2, x=1),
        lambda: f(1, z=3),
        lambda: f(z=3, y=2, x=1),
        lambda: f(**{"".join(["x"]): 1}),
    ]
    assert [call() for call in calls] == [(1, 2, 3)] * len(calls)
    assert len(slow.calls) == len(f) == 1
    assert f(1, 2, z=4) == (1, 2, 4)
    assert len(f) == 2


FUNCTIONS: list[Callable[..., object]] = [
    lambda: (),
    lambda x: (x,),
    lambda x, y=7: (x, y),
    lambda x, /, y=7, *, z=8: (x, y, z),
    lambda x=1, /, **rest: (x, tuple(rest.items())),
    lambda *all: all,
    lambda x, *rest, k=0: (x, rest, k),
    lambda x, y=3, *rest, k, **more: (x, y, rest, k, tuple(more.items())),
]
VALUES = st.sampled_from([0, 1, 2, 7, 8, 2**40, "a", "b", None, 3.5, (1, 2), frozenset({3})])


@settings(max_examples=600, deadline=None)
@given(
    which=st.integers(0, len(FUNCTIONS) - 1),
    calls=st.lists(
        st.tuples(
            st.lists(VALUES, max_size=4),
            st.dictionaries(st.sampled_from(["x", "y", "z", "k", "other", "more"]), VALUES, max_size=3),
        ),
        max_size=12,
    ),
)
def test_a_call_finds_an_entry_exactly_if_the_function_saw_these_arguments(which: int, calls: Loose) -> None:
    function = FUNCTIONS[which]
    f, slow = cached(function)
    seen = set()
    for args, kwargs in calls:
        try:
            expected = function(*args, **kwargs)
        except TypeError:
            with pytest.raises(TypeError):
                f(*args, **kwargs)
            continue
        before = len(slow.calls)
        assert f(*args, **kwargs) == expected
        # The functions return all that they see, so equal results are equal calls.
        assert (len(slow.calls) == before) == (expected in seen)
        seen.add(expected)
        assert f.find(tuple(args), kwargs or None) == (expected, None)
    assert len(f) == len(seen) == len(f.items())


def test_a_call_that_does_not_fit_raises_what_the_function_raises() -> None:
    def function(x: int, /, y: int) -> int:
        return x

    f, slow = cached(function)
    for args, kwargs in [
        ((), {}),
        ((1,), {}),
        ((1, 2, 3), {}),
        ((1, 2), {"y": 2}),
        ((1,), {"x": 1, "y": 2}),
        ((1, 2), {"q": 1}),
    ]:
        with pytest.raises(TypeError) as theirs:
            function(*args, **kwargs)
        with pytest.raises(TypeError, match=str(theirs.value).replace("(", r"\(").replace(")", r"\)")):
            f(*args, **kwargs)
        assert not f.put(args, kwargs, 1)
        assert f.find(args, kwargs) is None
        assert not f.remove(args, kwargs)
    assert len(f) == 0
    assert all(state is None for _, _, state in slow.calls)


def test_ignored_parameters_stay_out_of_the_key() -> None:
    f, slow = cached(lambda conn, x, *, log=None: x, ignore=("conn", "log"))
    assert [f(object(), 1), f(object(), 1, log=[]), f(conn=[], x=1)] == [1, 1, 1]
    assert len(slow.calls) == 1
    assert f.items()[0][0] == (1,)


@pytest.mark.parametrize("typed", [False, True])
def test_equal_arguments_of_other_classes_are_kept_apart_only_if_typed(typed: bool) -> None:
    f, _ = cached(lambda x, y=0: repr((x, y)), typed=typed)
    results = {str(f(1, 2)), str(f(1.0, 2)), str(f(True, y=2))}
    assert len(results) == len(f) == (3 if typed else 1)


def test_arguments_without_a_hash_go_to_the_slow_path() -> None:
    f, slow = cached(lambda x, y=0: x)
    assert f([1]) == [1]
    assert f({}, y=1) == {}
    assert [call[0] for call in slow.calls] == [([1],), ({},)]
    assert not f.put(([],), None, 1)
    assert f.find(([],), None) is None


def test_what_hash_and_eq_raise_is_raised() -> None:
    class Bad:
        def __hash__(self) -> int:
            return 1 // 0 if self.broken else 7

        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        broken = False

    f, slow = cached(lambda x: 0)
    f(Bad())
    with pytest.raises(ZeroDivisionError):
        f(Bad())
    for use in (lambda key: f.find(key, None), lambda key: f.put(key, None, 1), lambda key: f.remove(key, None)):
        with pytest.raises(ZeroDivisionError):
            use((Bad(),))
    broken = Bad()
    broken.broken = True
    with pytest.raises(ZeroDivisionError):
        f(broken)
    assert (len(slow.calls), len(f)) == (1, 1)


def test_an_entry_past_its_deadline_is_not_served_and_still_found() -> None:
    f, slow = cached(lambda x: object(), deadline_ns=0)
    first = f(1)
    assert f(1) is not first
    assert len(slow.calls) == 2
    slow.options["deadline_ns"] = time.monotonic_ns() + MINUTE
    kept = f(1)
    assert f(1) is kept
    assert f.find((1,), None) == (kept, None)


def test_an_entry_that_nobody_asked_for_in_time_is_not_served() -> None:
    f, slow = cached(lambda x: x, idle_ns=MINUTE)
    assert [f(1), f(1)] == [1, 1]
    assert len(slow.calls) == 1
    never, slow = cached(lambda x: x, idle_ns=1_000_000)
    never(1)
    end = time.monotonic_ns() + 20_000_000
    while time.monotonic_ns() < end:
        pass
    never(1)
    assert len(slow.calls) == 2


def test_an_entry_that_is_not_simple_hands_its_state_to_the_slow_path() -> None:
    state = object()
    f, slow = cached(lambda x: x, simple=False, state=state)
    assert [f(1), f(1), f(x=1)] == [1, 1, 1]
    assert [call[2] for call in slow.calls] == [None, state, state]
    assert f.find((1,), None) == (1, state)
    assert f.info()[0] == 2


def test_a_hit_is_made_by_copy_where_there_is_one() -> None:
    f, slow = cached(lambda x: [x], copy=list)
    first, second = f(1), f(1)
    assert first == second == [1]
    assert first is not second
    assert len(slow.calls) == 1


def test_nothing_is_served_while_the_guard_does_not_hold() -> None:
    guard = [1]
    f, slow = cached(lambda x: x, guard=guard)
    f(1)
    f(1)
    assert len(slow.calls) == 1
    guard.clear()
    f(1)
    assert len(slow.calls) == 2
    assert f.guard is guard
    f.guard = None
    f(1)
    assert len(slow.calls) == 2


def test_the_least_recently_used_goes_by_number_and_by_size() -> None:
    f, slow = cached(lambda x: x, maxsize=2)
    for x in (1, 2, 1, 3, 1):
        f(x)
    assert {item[2] for item in f.items()} == {1, 3}
    assert f.info() == (2, 0, 2, 2, None, 0)
    f, slow = cached(lambda x: x, maxbytes=10, size=4)
    for x in (1, 2, 1, 3):
        f(x)
    assert {item[2] for item in f.items()} == {1, 3}
    assert f.info()[3:] == (2, 10, 8)
    slow.options["size"] = 10
    f(4)
    assert f.info()[3:] == (1, 10, 10)
    assert not f.put((4,), None, 4, size=11)
    assert f.info()[3:] == (0, 10, 0)


@settings(max_examples=200, deadline=None)
@given(
    maxsize=st.sampled_from([None, 0, 1, 3, 50]),
    maxbytes=st.sampled_from([None, 0, 7, 40]),
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "call", "remove", "clear"]), st.integers(0, 9), st.integers(0, 9)),
        max_size=80,
    ),
)
def test_any_sequence_keeps_what_a_list_in_order_of_use_keeps(maxsize: Loose, maxbytes: Loose, steps: Loose) -> None:
    f, _ = cached(lambda x: ("new", x), maxsize=maxsize, maxbytes=maxbytes)
    model: dict[int, tuple[object, int]] = {}

    def put(x: int, value: object, size: int) -> bool:
        model.pop(x, None)
        if maxsize == 0 or (maxbytes is not None and size > maxbytes):
            return False
        model[x] = (value, size)
        while (maxsize is not None and len(model) > maxsize) or (
            maxbytes is not None and sum(size for _, size in model.values()) > maxbytes
        ):
            del model[next(iter(model))]
        return True

    for step, x, size in steps:
        if step == "put":
            assert f.put((x,), None, size, size=size) == put(x, size, size)
        elif step == "call":
            expected = model[x][0] if x in model else ("new", x)
            assert f(x) == expected
            if x in model:
                model[x] = model.pop(x)
            else:
                put(x, expected, 0)
        elif step == "remove":
            assert f.remove((), {"x": x}) == (model.pop(x, None) is not None)
        else:
            f.clear()
            model.clear()
        assert {item[0][0]: (item[2], item[5]) for item in f.items()} == model
        assert f.info()[3] == len(f) == len(model)
        assert f.info()[5] == sum(size for _, size in model.values())


def test_a_value_that_is_put_again_takes_the_place_of_the_old() -> None:
    f, _ = cached(lambda x: x, maxbytes=100)
    assert f.put((1,), None, "old", size=30)
    assert f.put((), {"x": 1}, "new", size=20, state="s", deadline_ns=2**62)
    assert f.items() == [((1,), None, "new", "s", 2**62, 20)]
    assert f.info()[3:] == (1, 100, 20)


def test_a_method_binds_and_its_instance_is_the_first_argument() -> None:
    f, slow = cached(lambda self, x: (self, x))

    class Plain:
        method = f

    plain = Plain()
    assert plain.method(1) == plain.method(x=1) == Plain.method(plain, 1) == (plain, 1)  # type: ignore[operator]
    assert len(slow.calls) == 1


def test_it_knows_the_function_and_takes_attributes() -> None:
    function = abs
    f, _ = cached(function)
    assert f.__wrapped__ is function
    functools.update_wrapper(f, function)
    assert (f.__dict__["__name__"], f.__doc__) == ("abs", abs.__doc__)


def test_it_is_true_even_when_empty_and_copies_are_itself() -> None:
    f, _ = cached(lambda x: x)
    assert len(f) == 0
    assert f
    assert copy.copy(f) is copy.deepcopy(f) is f


def test_every_reference_is_given_back() -> None:
    class Value:
        pass

    objects = [Value() for _ in range(7)]
    name = "n" + str(objects[0])

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(thing) for thing in (*objects, name)]

    before = counts()

    def use() -> None:
        f, slow = cached(
            lambda x, y=objects[5], **more: objects[6], typed=True, maxsize=3, state=objects[4], copy=copy.copy
        )
        for _ in range(3):
            f(objects[0])
            f(objects[0], objects[1])
            f(objects[2], **{name: objects[3]})
            f(objects[2], y=1, **{name: objects[3], "other": 1})
            f([])
            f.remove((objects[0],), None)
            f.put((objects[1],), {name: []}, objects[0])
        f.items()
        f.guard = objects[1]
        slow.calls.clear()

    use()
    assert counts() == before


def test_a_cycle_through_any_part_is_collected() -> None:
    class Node:
        pass

    def nodes() -> list[Loose]:
        key, value, state, guard = parts = [Node() for _ in range(4)]
        f, slow = cached(lambda x, y=None: value, state=state, guard=guard)
        f(key)
        for part in parts:
            part.__dict__["f"] = f
        f.__dict__["itself"] = f
        return [weakref.ref(thing) for thing in (f, slow, *parts)]

    references = nodes()
    gc.collect()
    assert [reference() for reference in references] == [None] * 6


def test_an_eq_that_changes_the_table_is_survived_by_every_method() -> None:
    class Key:
        def __init__(self, then: Callable[[], object] = int) -> None:
            self.then = then

        def __hash__(self) -> int:
            return 5

        def __eq__(self, other: object) -> bool:
            for key in (self, other):
                if isinstance(key, Key):
                    key.then()
            return False

    fresh = itertools.count()
    f, _ = cached(lambda x, y=0: 0, maxsize=4)
    for then in (f.clear, lambda: [f(next(fresh)) for _ in range(9)], lambda: f.remove((next(fresh),), None)):
        for _ in range(3):
            f(Key())
            f(Key(then))
            f.find((Key(then),), None)
            f.remove((Key(then),), None)
            f.put((Key(then),), None, 1)
            assert len(f) <= 4
        f.clear()


def test_wrong_declarations_are_refused() -> None:
    right: Options = {
        "names": ("x",),
        "positional_only": 0,
        "positional": 1,
        "defaults": (),
        "ignore": (),
        "var_positional": False,
        "var_keyword": False,
        "maxsize": None,
        "maxbytes": None,
        "typed": False,
        "idle_ns": None,
        "guard": None,
        "is_async": False,
    }
    CachedFunction(abs, abs, **right)
    for name in right:
        with pytest.raises(TypeError, match=name):
            CachedFunction(abs, abs, **{key: value for key, value in right.items() if key != name})
    for wrong in ({"ignore": (1,)}, {"defaults": ((1, 0),)}, {"positional": 2}, {"positional_only": 2}):
        with pytest.raises(ValueError, match="do not fit"):
            CachedFunction(abs, abs, **{**right, **wrong})
    with pytest.raises(TypeError, match="callable"):
        CachedFunction(1, abs, **right)  # type: ignore[arg-type]
    f = CachedFunction(abs, abs, **right)
    with pytest.raises(TypeError, match="unexpected"):
        f.put((1,), None, 1, other=1)  # type: ignore[call-arg]
