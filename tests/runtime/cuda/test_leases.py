"""Memory that is lent to copies."""

from __future__ import annotations

from tests.runtime.cuda.host_driver import HostDriver
from vosrt.cuda.leases import Leases


def test_the_smallest_that_is_large_enough_is_used_again():
    leases = Leases(HostDriver(), bytearray)
    sizes = (30, 10, 20)
    lent = [leases.take(size) for size in sizes]
    known = {len(one.memory): one.memory for one in lent}
    del lent
    found = [leases.take(size) for size in (15, 5, 25)]
    assert [len(one.memory) for one in found] == [20, 10, 30]
    assert all(one.memory is known[len(one.memory)] for one in found)


def test_what_is_too_small_goes_before_there_is_more():
    leases = Leases(HostDriver(), bytearray)
    small = leases.take(10)
    del small
    large = leases.take(40)
    del large
    assert len(leases._spare) + len(leases._given_back) == 1


def test_a_lease_may_end_while_another_is_taken():
    """As by another thread, or where Python collects garbage: within the sort of what is there."""
    leases = Leases(HostDriver(), bytearray)
    held = []

    class Size(int):
        def __lt__(self, other):
            held.clear()
            return int(self) < int(other)

    lent = [leases.take(Size(size)) for size in (40, 30, 20, 10)]
    del lent
    held.append(leases.take(Size(5)))
    found = leases.take(Size(15))
    assert len(found.memory) == 20
    assert not held
    assert len(leases.take(Size(5)).memory) == 10
