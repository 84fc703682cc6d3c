# SPDX-License-Identifier: Apache-2.0
"""repair: the copy holds all that could be read, is sound by every rule, and claims no more than it is."""
import os
import random

import harness
import test_bad_input
import tracefile


def all_rows(path):
    """What the reports say of every stack in every layer, as text: all but the header, which names the file."""
    out = {}
    for layer in 'mmap', 'malloc', 'raw', 'mem', 'object', 'arena':
        text = harness.pytrace('sites', '--json', '--metric', 'total', '--by', 'stack', '--top', '0', '--layer', layer, path).out
        head, found, out[layer] = text.partition('"metric"')
        assert found and 'pytrace.sites/1' in head, text[:300]
    return out


def repair(tmp, data):
    source, copy = test_bad_input.save(tmp, data, 'source.pytrace'), os.path.join(tmp, 'copy.pytrace')
    done = harness.pytrace('repair', '-f', '-o', copy, source, status=None)
    return source, copy, done


@harness.cases('ended', 'killed')
def test_sound_traces(tmp, case):
    source, copy, done = repair(tmp, test_bad_input.real_trace(tmp, kill=case == 'killed'))
    assert done.returncode == 0, done.err
    t = tracefile.TraceFile(copy)
    t.read_events()
    assert not t.holes and not t.rings and t.footer, 'the copy is not clean'
    before, after = harness.report('info', source), harness.report('info', copy)
    assert [before[k] for k in ('complete', 'ended', 'exit_status', 'events', 'process')] == \
        [after[k] for k in ('complete', 'ended', 'exit_status', 'events', 'process')], (before, after)
    assert all_rows(copy) == all_rows(source)


def test_damaged_traces(tmp):
    data, rng = test_bad_input.real_trace(tmp), random.Random(4)
    for n in range(12):
        bad = bytearray(data)
        if n % 3 == 2:
            del bad[rng.randrange(5000, len(bad)):]
        else:
            for _ in range(rng.choice((1, 3))):
                bad[rng.randrange(4096, len(bad))] ^= 0xff
        source, copy, done = repair(tmp, bytes(bad))
        assert done.returncode == 0, done.err
        t = tracefile.TraceFile(copy, strict=False)
        t.read_events()
        assert not t.holes and t.footer
        assert not harness.report('info', copy)['complete'], 'the copy claims to be whole'
        assert all_rows(copy) == all_rows(source), n


def test_no_trace(tmp):
    source, copy, done = repair(tmp, b'nothing')
    assert done.returncode == 3 and not os.path.exists(copy) and len(done.err.splitlines()) == 1, done.err


def test_nothing_is_overwritten(tmp):
    source, copy, _ = repair(tmp, test_bad_input.example(tmp))
    done = harness.pytrace('repair', '-o', copy, source, status=None)
    assert done.returncode != 0 and len(done.err.splitlines()) == 1, done.err
