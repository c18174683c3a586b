"""What is remembered of requests has a bound in bytes, and not only in how many there are."""

from api.http.around.site_guard import _kept_name_in, _name_in
from domain.permissions.grants import Grants, _remembered, normalised


def test_a_host_that_is_longer_than_names_are_is_not_remembered() -> None:
    kept = _kept_name_in.cache_info().currsize
    for number in range(20):
        name = f"{number}.{'a' * 60_000}"
        assert _name_in(f"{name.upper()}:8080".encode()) == name

    assert _kept_name_in.cache_info().currsize == kept
    assert _name_in(b"Short.Example:80") == "short.example"
    assert _kept_name_in.cache_info().currsize >= min(kept + 1, 1)


def test_grants_of_megabytes_are_not_remembered() -> None:
    kept = _remembered.cache_info().currsize
    atoms = [f"{number} {'a' * 1000}" for number in range(1000)]
    large = Grants(tools=(*atoms, *atoms)[:1000], skills=tuple(reversed(atoms)))

    assert normalised(large).skills == tuple(sorted(atoms))
    assert _remembered.cache_info().currsize == kept
    assert normalised(Grants(tools=(" b", "a"))) == Grants(tools=("a", "b"))
