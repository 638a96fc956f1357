"""`Cache`: a mapping with bounds, times to live and tags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor

import everfresh as ef
import pytest
from hypothesis import given
from hypothesis import strategies as st


def until(holds: Callable[[], bool]) -> None:
    """Waits for the clock to pass what is at most a few milliseconds off."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end


def test_it_is_a_mapping_that_hands_out_what_it_was_given() -> None:
    cache, value = ef.Cache(), [1]
    assert isinstance(cache, MutableMapping)
    cache["a"] = value
    cache.update(b=2, c=3)
    assert cache["a"] is value
    assert (cache.get("b"), cache.get("x"), cache.get("x", 0)) == (2, None, 0)
    assert ("c" in cache, "x" in cache, len(cache), sorted(cache)) == (True, False, 3, ["a", "b", "c"])
    assert dict(cache) == dict(cache.items()) == {"a": [1], "b": 2, "c": 3}
    assert (cache.pop("c"), cache.pop("c", 4), cache.setdefault("d", 5), cache.setdefault("d", 6)) == (3, 4, 5, 5)
    del cache["d"]
    for missing in (lambda: cache["d"], lambda: cache.pop("d"), lambda: cache.__delitem__("d")):
        with pytest.raises(KeyError, match="d"):
            missing()
    cache.clear()
    assert (len(cache), list(cache.values())) == (0, [])


KEYS = st.one_of(st.integers(0, 5), st.sampled_from(["a", (1, "b"), 1.0, True]))


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "del", "get", "pop", "default", "compute", "clear"]), KEYS, st.integers())
    )
)
def test_without_bounds_it_is_a_dict(steps: list[tuple[str, object, int]]) -> None:
    cache, model = ef.Cache(maxsize=None), dict[object, int]()
    for step, key, value in steps:
        if step == "set":
            cache[key] = model[key] = value
        elif step == "del":
            assert (key in cache) == (key in model)
            if key in model:
                del cache[key], model[key]
        elif step == "get":
            assert cache.get(key) == model.get(key)
        elif step == "pop":
            assert cache.pop(key, None) == model.pop(key, None)
        elif step == "default":
            assert cache.setdefault(key, value) == model.setdefault(key, value)
        elif step == "compute":
            computed = cache.get_or_compute(key, lambda own=value: own)  # type: ignore[misc]
            assert computed == model.setdefault(key, value)
        else:
            cache.clear()
            model.clear()
        assert cache == model


def test_threads_may_share_it() -> None:
    cache, ready = ef.Cache(maxsize=5, ttl="1ms"), threading.Barrier(8, timeout=60)

    def hammer(own: int) -> None:
        ready.wait()
        for number in range(2000):
            key = number * own % 7
            assert cache.get_or_compute(key, lambda: key, tags=("t",)) == key  # noqa: B023
            assert cache.pop(key, key) == key
            cache[key] = key
            assert all(key == value for key, value in cache.items())
            if number % 50 == 0:
                cache.invalidate_tag("t")
        assert len(cache) <= 5

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(hammer, own) for own in range(8)]:
            future.result()


@pytest.mark.parametrize("use", [lambda cache: cache[[]], lambda cache: cache.set([], 1), lambda cache: [] in cache])
def test_keys_have_a_hash(use: Callable[[ef.Cache], object]) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        use(ef.Cache())


def test_the_one_that_was_not_used_for_longest_goes() -> None:
    cache = ef.Cache(maxsize=2)
    cache["a"], cache["b"] = 1, 2
    assert cache["a"] == 1
    cache["c"] = 3
    assert sorted(cache) == ["a", "c"]
    unbounded, none = ef.Cache(maxsize=None), ef.Cache(maxsize=0)
    for number in range(1000):
        unbounded[number] = none[number] = number
    assert (len(unbounded), len(none)) == (1000, 0)


def test_values_may_take_so_many_bytes() -> None:
    cache = ef.Cache(maxbytes="10kB")
    for number in range(5):
        cache[number] = bytes(4000)
    assert sorted(cache) == [3, 4]
    cache[4] = bytes(20_000)
    assert list(cache) == [3]


def test_an_entry_lives_as_long_as_its_ttl() -> None:
    cache = ef.Cache(ttl="1h")
    cache["kept"] = 1
    cache.set("short", 2, ttl="5ms")
    until(lambda: "short" not in cache)
    assert (list(cache), len(cache), cache.get("short")) == (["kept"], 1, None)
    assert cache.get_or_compute("short", lambda: 3, ttl=0) == 3
    assert cache.get_or_compute("short", lambda: 4) == 4
    assert cache["short"] == 4


def test_an_entry_that_nobody_asks_for_goes() -> None:
    cache = ef.Cache(idle="5ms")
    cache["a"] = 1
    start = time.monotonic()
    until(lambda: time.monotonic() > start + 0.05)
    assert "a" not in cache
    assert cache.get_or_compute("a", lambda: 2) == 2


def test_tags_find_entries() -> None:
    cache = ef.Cache(tags=("all",))
    cache.set("EUR", 1.08, tags=("rates", "euro"))
    cache.set("JPY", 0.0067, tags="rates")
    cache["region"] = "north"
    assert cache.invalidate_tag("euro") == 1
    assert sorted(cache) == ["JPY", "region"]
    assert (cache.invalidate_tag("rates"), cache.invalidate_tag("rates")) == (1, 0)
    assert cache.invalidate_tag("all") == 1
    assert len(cache) == 0


def test_tags_are_those_of_all_caches_and_functions() -> None:
    cache = ef.Cache()
    cache.set("a", 1, tags=("everywhere",))
    ef.invalidate_tag("everywhere")
    assert "a" not in cache


def test_hits_and_misses_are_counted() -> None:
    cache = ef.Cache(maxsize=5)
    cache.get("a")
    cache.get_or_compute("a", lambda: 1)
    cache.get_or_compute("a", lambda: 2)
    assert cache["a"] == 1
    assert cache.info() == (2, 2, 5, 1)
    assert cache.info().hits == 2


def test_of_all_threads_that_ask_at_once_one_computes() -> None:
    cache, computed, begun, go = ef.Cache(), [], threading.Event(), threading.Event()

    def slow() -> int:
        computed.append(1)
        begun.set()
        assert go.wait(60)
        return 7

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(cache.get_or_compute, "a", slow)
        assert begun.wait(60)
        others = [pool.submit(cache.get_or_compute, "a", slow) for _ in range(7)]
        go.set()
        assert [future.result() for future in (first, *others)] == [7] * 8
    assert computed == [1]


def test_after_an_error_the_next_one_computes() -> None:
    cache = ef.Cache()
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("a", lambda: 1 // 0)
    assert cache.get_or_compute("a", lambda: 2) == 2


def test_who_asks_for_what_it_computes_computes_it() -> None:
    cache = ef.Cache()
    assert cache.get_or_compute("a", lambda: cache.get_or_compute("a", lambda: 1) + 1) == 2
    assert cache["a"] == 2


@pytest.mark.parametrize(
    ("meanwhile", "after"),
    [
        (lambda cache: cache.set("a", "set"), "set"),
        (lambda cache: cache.pop("a", None), None),
        (lambda cache: cache.invalidate_tag("t"), None),
        (lambda cache: cache.clear(), None),
        (lambda cache: cache.invalidate_tag("other"), "computed"),
    ],
)
def test_what_happens_while_it_is_computed_stays_so(meanwhile: Callable[[ef.Cache], object], after: str | None) -> None:
    cache = ef.Cache()

    def compute() -> str:
        meanwhile(cache)
        return "computed"

    assert cache.get_or_compute("a", compute, tags=("t",)) == "computed"
    assert cache.get("a") == after


def test_a_cached_function_that_reads_from_it_is_not_kept() -> None:
    cache = ef.Cache()
    cache["rate"] = 2

    @ef.cached
    def priced(n: int) -> int:
        return n * int(cache["rate"])

    assert priced(5) == 10
    cache["rate"] = 3
    assert priced(5) == 15


def test_in_a_cached_function_it_computes_so_that_what_is_read_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    cache = ef.Cache()

    @ef.cached
    def region() -> str:
        return str(cache.get_or_compute("region", lambda: os.environ["EVERFRESH_TEST_REGION"]))

    monkeypatch.setenv("EVERFRESH_TEST_REGION", "north")
    assert (region(), region()) == ("north", "north")
    monkeypatch.setenv("EVERFRESH_TEST_REGION", "south")
    assert region() == "south"


@pytest.mark.parametrize("maxsize", [-1, 1.5, True, "5"])
def test_a_bound_is_a_number(maxsize: object) -> None:
    with pytest.raises(ValueError, match="maxsize is a number of entries or None"):
        ef.Cache(maxsize=maxsize)  # type: ignore[arg-type]
