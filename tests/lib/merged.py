# SPDX-License-Identifier: Apache-2.0
"""merged: compares all frames of all stacks, native ones and the interpreter's included, between the report and tracefile."""
import collections

import harness
import tracefile


def frames_said(row):
    """A stack of a report as the other reader has it: functions that were inlined are no frames of their own."""
    out = []
    for f in row['stack']:
        if f['language'] == 'python':
            out.append((f['file'], f['line'], f['column'], f['function']))
        elif not f.get('inlined'):
            out.append((f.get('module'), f.get('address'), f['function'] if 'module' not in f else None))
    return tuple(out)


def frames_read(t, stack):
    out = []
    for f in t.merged(stack):
        if len(f) == 4:
            out.append(f)
        elif f[2] & tracefile.CUT:
            out.append((None, None, '<frames missing>'))
        else:
            out.append((t.modules[f[0]].path if f[0] else None, '0x%x' % f[1], None))
    return tuple(out)


def compare(path, t, layer):
    """Every stack of a layer, with all bytes that it ever made. Returns how many stacks there are."""
    want, got = collections.Counter(), collections.Counter()
    for (number, stack), (_, _, size, _) in tracefile.replay(t)[1].items():
        if number == tracefile.LAYERS.index(layer):
            want[frames_read(t, stack)] += size
    doc = harness.report('sites', '--metric', 'total', '--by', 'stack', '--top', '0', '--internals', '--layer', layer, path)
    for row in doc['rows']:
        got[frames_said(row)] += row['total_bytes']
    if got != want:
        one = next(k for k in list(want) + list(got) if want[k] != got[k])
        raise AssertionError('%s: %d bytes, the other reader %d, of %s' % (layer, got[one], want[one], one))
    return len(want)
