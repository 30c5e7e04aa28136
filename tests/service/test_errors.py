from __future__ import annotations

from service.errors import STATUS, RequestError


def test_every_request_error_has_a_status() -> None:
    assert set(RequestError.__subclasses__()) == set(STATUS)


def test_every_request_error_has_a_type_of_its_own() -> None:
    assert len({error.type for error in STATUS}) == len(STATUS)
