# SPDX-License-Identifier: Apache-2.0
"""The analyzer decodes line tables as CPython does: line, end line and columns of every instruction of the standard library."""
import os
import subprocess

import harness

HERE = os.path.dirname(os.path.abspath(__file__))


def compare(got, want, step=16):
    assert len(got) == len(want), (len(got), len(want))
    if got == want:
        return
    import struct
    for i in range(0, len(want), step):
        if got[i:i + step] != want[i:i + step]:
            raise AssertionError('instruction %d of all: decoded %s, the interpreter says %s' % (
                i // step, struct.unpack('<4i', got[i:i + step]), struct.unpack('<4i', want[i:i + step])))


@harness.timeout(600)
def test_every_instruction_of_the_standard_library(python, tmp):
    records, answers = os.path.join(tmp, 'records'), os.path.join(tmp, 'answers')
    limit = '0' if harness.FULL else '400000'
    env = harness.clean_env(PYTHONWARNINGS='ignore')
    out = subprocess.run([python.path, '-I', '-W', 'ignore', os.path.join(HERE, 'synth', 'lines_oracle.py'), records, answers, limit],
                         stdout=subprocess.PIPE, env=env, check=True).stdout
    assert int(out) > 100000, out
    with open(records, 'rb') as f:
        got = subprocess.run([harness.built('synth/lines_probe')], stdin=f, stdout=subprocess.PIPE, check=True).stdout
    with open(answers, 'rb') as f:
        compare(got, f.read())
