"""The memory read benchmark runs whole, and its variants compute the same."""

import pytest

from vosrt.benchmarks import memory_read


def test_every_variant_is_measured_and_reads_the_same(capsys):
    line = ["--size", "65x97", "--objects", "2", "--slots", "1,3", "--repetitions", "2", "--warm-up", "1"]
    assert memory_read.main(line) == 0
    text = capsys.readouterr().out
    for slots in (1, 3):
        assert f"2 objects, {slots} slots of 35 positions" in text
    for variant in memory_read.VARIANTS:
        rows = [row for row in text.splitlines() if row.strip().startswith(variant)]
        assert len(rows) == 2
        for row in rows:
            median, _, peak, difference = (float(figure) for figure in row.split()[-4:])
            assert median > 0
            assert peak >= 0
            assert difference < 1e-5


@pytest.mark.parametrize("slots", ["0", "2,", "many"])
def test_slots_that_are_no_numbers_are_refused(capsys, slots):
    with pytest.raises(SystemExit) as stop:
        memory_read.main(["--slots", slots])
    assert stop.value.code == 2
    assert "a whole number from 1 to 256" in capsys.readouterr().err
