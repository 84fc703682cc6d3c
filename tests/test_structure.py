# SPDX-License-Identifier: Apache-2.0
"""The house is in order: directions of includes, sizes of functions, ids that never change, commands that are documented."""
import glob
import os
import re
import shutil
import subprocess

import harness

BELOW_FINDINGS = ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/heap', 'analyzer/models', 'analyzer/growth', 'analyzer/memory',
                  'analyzer/counts', 'analyzer/places', 'analyzer/views', 'analyzer/report', 'analyzer/out']

# What a folder may include besides itself: folders, or single headers of one. The longest prefix counts.
MAY = {
    'formats': [],
    'preload': ['formats', 'preload', 'preload/base', 'preload/record', 'preload/process', 'preload/py', 'preload/native', 'preload/allocator',
                'preload/snapshot', 'preload/watch', 'preload/hooks'],  # lifecycle, calls, options: over all rooms
    'preload/base': ['formats'],
    'preload/cpu': ['formats'],
    # The last three are of rooms above: what a thread has of each, and what every event asks inline.
    'preload/record': ['formats', 'preload/base', 'preload/native/native.h', 'preload/py/py.h', 'preload/watch/choose.h'],
    'preload/allocator': ['formats', 'preload/base', 'preload/record'],
    'preload/native': ['formats', 'preload/base', 'preload/cpu', 'preload/record', 'preload/py/py.h'],
    'preload/py': ['formats', 'preload/base', 'preload/cpu', 'preload/record', 'preload/native', 'preload/snapshot/out.h'],
    'preload/process': ['formats', 'preload/base', 'preload/record', 'preload/allocator', 'preload/options.h'],
    'preload/snapshot': ['formats', 'preload/base', 'preload/cpu', 'preload/record', 'preload/allocator', 'preload/py', 'preload/options.h',
                         'preload/watch/pages.h'],
    'preload/watch': ['formats', 'preload/base', 'preload/cpu', 'preload/record', 'preload/allocator', 'preload/native', 'preload/py', 'preload/options.h',
                      'preload/snapshot/signals.h'],
    'preload/hooks': ['formats', 'preload', 'preload/base', 'preload/record', 'preload/allocator', 'preload/native', 'preload/py',
                      'preload/snapshot', 'preload/watch'],
    'analyzer': [],  # main.c: see below
    'analyzer/base': [],
    'analyzer/read': ['formats', 'analyzer/base'],
    'analyzer/replay': ['formats', 'analyzer/base', 'analyzer/read'],
    'analyzer/heap': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay'],
    'analyzer/models': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay', 'analyzer/heap'],
    'analyzer/growth': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay'],
    'analyzer/memory': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay'],
    'analyzer/counts': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay', 'analyzer/heap', 'analyzer/models'],
    'analyzer/symbols': ['formats', 'analyzer/base'],
    'analyzer/out': ['analyzer/base'],
    'analyzer/places': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/models', 'analyzer/counts', 'analyzer/symbols', 'analyzer/out'],
    'analyzer/views': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay', 'analyzer/heap', 'analyzer/models', 'analyzer/counts',
                       'analyzer/places', 'analyzer/out'],
    'analyzer/report': ['formats', 'analyzer/base', 'analyzer/read', 'analyzer/replay', 'analyzer/heap', 'analyzer/models', 'analyzer/growth',
                        'analyzer/memory', 'analyzer/counts', 'analyzer/symbols', 'analyzer/places', 'analyzer/views', 'analyzer/out'],
    'analyzer/findings': BELOW_FINDINGS,
    'analyzer/findings/kinds': BELOW_FINDINGS + ['analyzer/findings'],
    'analyzer/findings/list': BELOW_FINDINGS + ['analyzer/findings', 'analyzer/findings/kinds'],
    'analyzer/findings/words': BELOW_FINDINGS + ['analyzer/findings', 'analyzer/findings/kinds', 'analyzer/findings/list'],
    'analyzer/gate': ['formats', 'analyzer/base', 'analyzer/places', 'analyzer/report', 'analyzer/findings', 'analyzer/findings/list',
                      'analyzer/findings/words', 'analyzer/out'],
    'analyzer/commands': ['formats', 'analyzer'],
}
MAIN = ['analyzer/commands']
LONGEST_FUNCTION, LONGEST_FILE, WIDTH = 100, 900, 120

# Every id that was ever given out, with its shape: never renumbered, never used again. Lines are only ever added.
LAYERS = {'MMAP': 0, 'MALLOC': 1, 'RAW': 2, 'MEM': 3, 'OBJECT': 4, 'ARENA': 5, 'FILE': 6, 'RESERVE': 7, 'HEAP': 8, 'MOVED': 15}
KINDS = {'ALLOC': (0, 'ALLOC'), 'FREE': (1, 'FREE'), 'MOVE_BEGIN': (2, 'FREE'), 'MOVE_END': (3, 'ALLOC'), 'MOVE_FAIL': (4, 'FREE'),
         'MAP': (5, 'RANGE'), 'UNMAP': (6, 'RANGE'), 'UNMAP_FAIL': (7, 'RANGE')}
EVENTS = {'RUN': (128, 'PAIR'), 'TIME': (129, 'PAIR'), 'SIZE64': (130, 'PAIR'), 'FORK': (131, 'PAIR'), 'FORKED': (132, 'PAIR'),
          'PY_INIT': (133, 'PAIR'), 'PY_FINI': (134, 'PAIR'), 'LOST': (135, 'PAIR'), 'RSS': (136, 'PAIR'), 'THREAD': (137, 'PAIR'),
          'END': (138, 'PAIR'), 'MARK': (139, 'PAIR'), 'META': (192, 'BYTES'), 'SCHEMA': (193, 'BYTES'), 'STRING': (194, 'BYTES'),
          'CODE': (195, 'BYTES'), 'CODE_TAIL': (196, 'BYTES'), 'FRAME': (197, 'WORDS'), 'THREAD_NAME': (198, 'BYTES'),
          'SWITCH': (140, 'PAIR'), 'FIGURE': (141, 'PAIR'), 'MODULE': (199, 'BYTES'), 'NATIVE': (200, 'WORDS'), 'JOIN': (201, 'WORDS'), 'TASK': (202, 'BYTES'),
          'SNAPSHOT': (142, 'PAIR'), 'GC_BEGIN': (143, 'PAIR'), 'GC_END': (144, 'PAIR'), 'GC_SET': (145, 'PAIR'), 'REUSE': (146, 'PAIR'),
          'RETIRE': (147, 'PAIR'), 'WATCH': (148, 'PAIR'), 'COUNT': (149, 'PAIR'), 'UNWATCH': (150, 'PAIR'),
          'REGION_BEGIN': (151, 'PAIR'), 'REGION_END': (152, 'PAIR'), 'PAUSE': (153, 'PAIR'), 'RESUME': (154, 'PAIR'),
          'TYPE': (203, 'BYTES')}


def files(*patterns):
    """Files of the repository (or, in a source package, all) that match, from the top."""
    git = shutil.which('git') or 'false'
    done = subprocess.run([git, '-C', harness.TOP, 'ls-files', '--cached'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode == 0 and done.stdout:
        names = done.stdout.decode().splitlines()
    else:
        names = [os.path.relpath(os.path.join(d, f), harness.TOP) for d, _, fs in os.walk(harness.TOP) for f in fs
                 if not os.path.relpath(d, harness.TOP).startswith(('build', '.git'))]
    names = [n for n in names if os.path.isfile(os.path.join(harness.TOP, n))]
    return [n for n in names if not patterns or n.endswith(patterns)]


def read(name):
    with open(os.path.join(harness.TOP, name), encoding='utf-8', errors='replace') as f:
        return f.read()


def room(name):
    folder = os.path.dirname(name)
    while folder and folder not in MAY:
        folder = os.path.dirname(folder)
    return folder


def test_directions_of_includes():
    wrong, seen = [], 0
    for name in files('.c', '.h', '.def'):
        here = room(name)
        if not name.startswith(('formats/', 'preload/', 'analyzer/')):
            continue
        allowed = MAIN if here == 'analyzer' else MAY[here]
        for line in read(name).splitlines():
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            seen += 1
            there = room(m.group(1))
            if not there:
                wrong.append('%s includes "%s", which is not written from the top' % (name, m.group(1)))
            elif there != here and not {there, m.group(1)} & set(allowed) and not (here == 'analyzer/commands' and there.startswith('analyzer')):
                wrong.append('%s includes %s: %s may not use %s' % (name, m.group(1), here, there))
    assert seen > 100 and not wrong, '%d: %s' % (len(wrong), '; '.join(wrong[:4]))


def calls_of(folder):
    """{object file: the object files whose functions and data it uses}, of all that was compiled of a folder."""
    names, defines, uses = glob.glob(os.path.join(harness.BUILD, folder, '*.p', '*.o')), {}, {}
    for line in harness.run(['nm', '-A'] + names).check().out.splitlines():
        where, kind, symbol = re.match(r'(.*\.o):[0-9a-f ]*([A-Za-z]) (\S+)', line).groups()
        if kind == 'U':
            uses.setdefault(where, set()).add(symbol)
        elif kind.isupper():
            defines[symbol] = where
    return {name: {defines[s] for s in uses.get(name, ()) if defines.get(s, name) != name} for name in names}


def test_no_files_of_the_analyzer_call_each_other_in_a_circle():
    """Whoever reads a file has to read what it calls, and never that file again."""
    calls = calls_of('analyzer')
    assert len(calls) > 100, calls
    while True:  # who calls nobody that is left, or is called by nobody that is left, is in no circle
        called = set().union(*calls.values()) if calls else set()
        left = {name: there & set(calls) for name, there in calls.items() if there & set(calls) and name in called}
        if left == calls:
            break
        calls = left
    assert not calls, '; '.join(sorted(os.path.basename(name)[:-2].replace('_', '/', 1) for name in calls))


def test_only_preload_py_knows_cpython():
    for name in files('.c', '.h'):
        if name.startswith(('preload/', 'formats/')) and not name.startswith('preload/py/'):
            for number, line in enumerate(read(name).splitlines(), 1):
                code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', '', line)
                assert not re.search(r'\b_?Py[A-Z_]\w*\s*\(', code) or name.endswith('pymem.c'), \
                    '%s:%d knows CPython: %s' % (name, number, line.strip())
    for name in files('.c', '.h'):
        assert name.startswith(('tests/stacks/', 'tests/pytest_plugin/', 'tests/refs/', 'tests/surplus/', 'tests/unreachable/', 'tests/zoo/', 'tests/history/', 'tests/lessons/', 'examples/')) or 'Python.h' not in re.sub(r'/\*.*?\*/', '', read(name), flags=re.S), name


def functions(text):
    """(name, first line, lines) of each function body that opens with { in the first column."""
    lines, start = text.splitlines(), None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start:
            yield re.sub(r'\s+', ' ', lines[start - 2]).strip()[:60], start, number - start - 1
            start = None


def test_functions_and_files_are_short():
    wrong, lengths = [], []
    for name in files('.c', '.h'):
        text = read(name)
        if text.count('\n') > LONGEST_FILE and not re.search(r'/\* long: ', text):
            wrong.append('%s has %d lines' % (name, text.count('\n')))
        for title, at, n in functions(text):
            lengths.append(n)
            if n > LONGEST_FUNCTION:
                wrong.append('%s:%d %s has %d lines' % (name, at, title, n))
    lengths.sort()
    assert len(lengths) > 300
    assert not wrong, '; '.join(wrong[:5])
    assert lengths[len(lengths) // 2] <= 14, 'the median function has %d lines' % lengths[len(lengths) // 2]


def test_every_file_says_what_it_is():
    for name in files('.c', '.h', '.def'):
        text = read(name)
        assert text.startswith('/* SPDX-License-Identifier: Apache-2.0 */\n'), name
        beside = name[:-2] + '.h'  # a header speaks for its .c
        assert re.match(r'[^\n]*\n\s*/\*', text) or name.endswith('.c') and os.path.exists(os.path.join(harness.TOP, beside)), \
            '%s: no word on its purpose' % name
    for name in files('.py'):
        if os.path.dirname(name) in ('tests/truth', 'tests/lessons', 'tests/leaks', 'tests/zoo/leaking', 'tests/zoo/healthy'):
            assert re.match(r'(#.*\n)*"""', read(name)), '%s: no word on its purpose' % name
        elif read(name).strip():
            assert 'SPDX-License-Identifier: Apache-2.0' in read(name)[:200], name


def test_lines_are_not_too_long():
    for name in files('.c', '.h', '.build'):
        for number, line in enumerate(read(name).splitlines(), 1):
            if not re.search(r'test_\w+\.c|long:', name + line):
                assert len(line.expandtabs(8)) <= WIDTH + 40, '%s:%d has %d columns' % (name, number, len(line.expandtabs(8)))


def test_headers_document_their_functions():
    wrong, seen = [], 0
    for name in files('.h'):
        if not name.startswith(('formats/', 'preload/', 'analyzer/')):
            continue
        text, before = read(name), ''
        for line in text.splitlines():
            if re.match(r'(?!static|typedef|extern|#|struct \w+ \{|enum)[a-z][\w ]*[ *]\w+\(.*\).*;\s*(/\*.*)?$', line):
                seen += 1
                if not (before.strip().endswith('*/') or before.strip().endswith(';') or ';' in before or '/*' in line):
                    wrong.append('%s: %s' % (name, line))
            before = line if line.strip() else ''
    assert seen > 60 and len(wrong) <= seen * 0.1, '%d of %d: %s' % (len(wrong), seen, '; '.join(wrong[:3]))


def test_no_names_of_places():
    """No absolute path of a workplace, no registry of packages, no editor's leavings."""
    words = ['/wo' + 'rk/', '/ro' + 'ot/', 'py' + 'pi.org', 'pythonh' + 'osted', 'crates' + '.io', 'npm' + 'js', 'deb.debian' + '.org',
             '/ho' + 'me/', 'snapshot.debian' + '.org', 'FIX' + 'ME', 'X' + 'XX ', 'TO' + 'DO']
    for name in files():
        text = read(name)
        for word in words:
            at = text.find(word)
            if at >= 0 and not name.startswith('tests/golden/'):
                raise AssertionError('%s:%d has %r' % (name, text.count('\n', 0, at) + 1, word))


# ---- the list of events ----

def test_ids_never_change():
    text = read('formats/events.def')
    layers = {n: int(i) for n, i in re.findall(r'^PT_LAYER\((\w+),\s*(\d+)', text, re.M)}
    kinds = {n: (int(i), s) for n, i, s in re.findall(r'^PT_MEMORY\((\w+),\s*(\d+),\s*(\w+)', text, re.M)}
    events = {n: (int(i), s) for n, i, s in re.findall(r'^PT_EVENT\((\w+),\s*(\d+),\s*(\w+)', text, re.M)}
    for frozen, now in (LAYERS, layers), (KINDS, kinds), (EVENTS, events):
        for name, value in frozen.items():
            assert now.get(name) == value, '%s was %s and is %s: ids are for ever' % (name, value, now.get(name))
        ids = [v if isinstance(v, int) else v[0] for v in now.values()]
        assert len(ids) == len(set(ids)), 'an id is there twice'
        assert set(now) == set(frozen), 'new: %s; add them to the frozen list in this test' % sorted(set(now) - set(frozen))


def test_format_names_every_event():
    text = read('formats/FORMAT.md')
    events = read('formats/events.def')
    for op, shape, name in re.findall(r'^PT_EVENT\(\w+,\s*(\d+),\s*(\w+),\s*"([^"]+)"', events, re.M):
        assert re.search(r'^\| %s \| %s \| %s \|' % (op, name, shape), text, re.M), 'FORMAT.md has no row for %s' % name
    for number, name, counted in re.findall(r'^PT_LAYER\(\w+,\s*(\d+),\s*"(\w+)",\s*(\d)', events, re.M):
        assert re.search(r'^\| %s \| %s \| %s \|' % (number, name, 'yes' if counted == '1' else 'no'), text, re.M), name
    for number, shape, name in re.findall(r'^PT_MEMORY\(\w+,\s*(\d+),\s*(\w+),\s*"([^"]+)"', events, re.M):
        assert re.search(r'^\| %s \| %s \| %s \|' % (number, name, shape), text, re.M), name


# ---- what users read ----

def commands():
    return re.findall(r'^COMMAND\((\w+)', read('analyzer/commands/commands.def'), re.M)


def test_every_command_has_help_with_an_example():
    names = commands()
    assert {'info', 'summary', 'sites', 'dump', 'leaks', 'export', 'run'} <= set(names), names
    overview = harness.pytrace('--help').out
    for name in names:
        text = harness.pytrace(name, '--help').out
        assert 'Usage: pytrace ' + name in text and 'Examples:' in text and 'pytrace ' + name in text.split('Examples:')[1], name
        assert max(map(len, text.splitlines())) <= 100, name
        assert re.search(r'^  %s ' % name, overview, re.M), '%s is not in pytrace --help' % name


def man_pages():
    return {os.path.basename(p): open(p, encoding='utf-8').read()
            for p in glob.glob(os.path.join(harness.BUILD, '**', '*.[157]'), recursive=True)}


def test_manual_has_every_command_and_variable():
    pages = man_pages()
    text = '\n'.join(pages.values()).replace('\\-', '-').replace('\\(hy', '-')
    assert pages, 'no manual page is built'
    for name in commands():
        assert re.search(r'\b%s\b' % name, text), name
        for option in set(re.findall(r'--[a-z][a-z-]+', harness.pytrace(name, '--help').out)):
            assert option in text, 'the manual has no %s of pytrace %s' % (option, name)
    for name in re.findall(r'^OPTION\((\w+),', read('preload/options.def'), re.M):
        assert 'PYTRACE_' + name in text, 'PYTRACE_%s is not in the manual' % name


def test_readme_names_what_exists():
    text = read('README.md')
    for name in set(re.findall(r'\bpytrace ([a-z]+)\b', text)) & set(re.findall(r'`(?:build/analyzer/)?pytrace ([a-z]+)', text)):
        assert name in commands(), 'README.md names pytrace ' + name
    for name in set(re.findall(r'(?<![\w/.])((?:scripts|tests|examples|formats|preload|analyzer)/[\w./-]+\w)', text)):
        assert os.path.exists(os.path.join(harness.TOP, name)), 'README.md names %s, which is not there' % name
    for name in set(re.findall(r'PYTRACE_([A-Z_]+)', text)):
        assert re.search(r'^OPTION\(%s,' % name, read('preload/options.def'), re.M), 'README.md names PYTRACE_' + name
    assert 'scripts/quickstart' in text[:3000] and 'scripts/test' in text[:3000]


def test_hacking_names_what_exists():
    for name in set(re.findall(r'`((?:scripts|tests|formats|preload|analyzer)/[\w./-]+\w)`', read('HACKING.md'))):
        name = name.split('NAME')[0]
        assert os.path.exists(os.path.join(harness.TOP, name)), 'HACKING.md names %s, which is not there' % name


def test_readme_report_is_true():
    script = os.path.join(harness.TOP, 'scripts', 'readme-report')
    done = harness.run([script, '--check'], env=harness.clean_env(PYTRACE_BUILD=harness.BUILD), cwd=harness.TOP)
    assert done.returncode == 0, (done.out + done.err).strip()[:400]


def test_style():
    if not shutil.which('clang-format'):
        raise harness.Skip('no clang-format')
    done = harness.run([os.path.join(harness.TOP, 'scripts', 'style')], cwd=harness.TOP)
    lines = (done.out + done.err).strip().splitlines()
    assert done.returncode == 0, '%d: %s' % (len(lines), '; '.join(lines[:4]))


def test_scripts_are_executable():
    for name in files():
        if os.path.dirname(name) in ('scripts', 'tests') and read(name).startswith('#!'):
            assert os.access(os.path.join(harness.TOP, name), os.X_OK), name


# ---- the library ----

def symbols(*flags):
    done = harness.run(['nm', '-D'] + list(flags) + [harness.LIBRARY]).check()
    return [l.split() for l in done.out.splitlines()]


def test_library_exports_what_it_interposes_and_no_more():
    names = {l[-1].split('@')[0] for l in symbols('--defined-only')}
    text = ''.join(read(n) for n in files('.c') if n.startswith('preload/'))
    hooks = set(re.findall(r'^HOOK\b[^;{(]*?(\w+)\(', text, re.M))
    assert {'malloc', 'free', 'calloc', 'realloc', 'mmap', 'munmap', 'fork'} <= hooks, hooks
    extra = {n for n in names if not n.startswith('pytrace_') and n not in text}
    assert not extra, 'exported without need: %s' % sorted(extra)
    assert names >= {'malloc', 'calloc', 'realloc', 'reallocarray', 'free', 'posix_memalign', 'aligned_alloc', 'memalign', 'valloc',
                     'pvalloc', 'malloc_usable_size', 'free_sized', 'free_aligned_sized', 'mmap', 'mmap64', 'munmap', 'mremap',
                     'brk', 'sbrk'}, names


def test_library_needs_libc_alone():
    done = harness.run(['readelf', '-d', harness.LIBRARY]).check()
    needed = set(re.findall(r'NEEDED.*\[(.*?)\]', done.out))
    assert needed <= {'libc.so.6', 'libpthread.so.0', 'libdl.so.2', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'}, needed


def test_library_runs_on_glibc_2_31():
    versions = {tuple(map(int, v.split('.'))) for l in symbols() for v in re.findall(r'@+GLIBC_([\d.]+)', l[-1])}
    newer = [v for v in versions if v > (2, 31)]
    if newer:
        names = sorted(l[-1] for l in symbols() if any('GLIBC_%s' % '.'.join(map(str, v)) in l[-1] for v in newer))
        raise AssertionError('needs a newer glibc than 2.31 for %s' % names[:6])
