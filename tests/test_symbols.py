# SPDX-License-Identifier: Apache-2.0
"""symbols: native frames have the names and lines that the program itself knows, wherever its symbols are: in the file, in
separate ones, below another root, at a server, in a bundle. Damaged files cost names, nothing else."""
import collections
import glob
import http.server
import lzma
import os
import random
import shutil
import struct
import subprocess
import threading
import time

import harness

SOURCES = os.path.join(harness.HERE, 'symbols')
Frame = collections.namedtuple('Frame', 'function linkage file line column inlined')


# ---- programs that know the truth ----

def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise harness.Skip('needs %s' % tool)


def command(*argv, cwd=None):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd)
    assert done.returncode == 0, '%s: %s' % (' '.join(argv), done.stdout.decode()[-2000:])
    return done.stdout.decode()


def source(name):
    return os.path.join(SOURCES, name)


def compile_c(tmp, *flags, compiler='gcc', name='plain', folder='bin'):
    need(compiler)
    os.makedirs(os.path.join(tmp, folder), exist_ok=True)
    out = os.path.join(tmp, folder, name)
    command(compiler, '-g', '-O2', '-fPIE', '-pie', '-Wl,--build-id', *flags, source('plain.c'), source('note.c'), '-o', out, '-ldl',
            cwd=tmp)
    return out


def compile_cxx(tmp, *flags):
    need('gcc', 'g++')
    out = os.path.join(tmp, 'things')
    command('gcc', '-g', '-O2', '-fPIC', '-c', source('note.c'), '-o', out + '.note.o')
    command('g++', '-g', '-O2', '-fPIE', '-pie', '-Wl,--build-id', *flags, source('things.cc'), out + '.note.o', '-o', out, '-ldl')
    return out


def compile_rust(tmp, *flags):
    need('gcc', 'rustc')
    out = os.path.join(tmp, 'rusty')
    done = subprocess.run(['rustc', '-g', '-O', '--edition', '2021', '--crate-type', 'staticlib', '--crate-name', 'rust', '-o', out + '.a', *flags,
                           source('rust.rs')], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise harness.Skip('rustc can\'t: %s' % done.stdout.decode().splitlines()[:1])
    command('gcc', '-g', '-O2', '-fPIE', '-pie', '-Wl,--build-id', source('rust_main.c'), source('note.c'), out + '.a', '-o', out,
            '-lpthread', '-ldl', '-lm')
    return out


def truth_of(program):
    """[(address, [(function, line) innermost first])], as the program says."""
    out = []
    for row in harness.run([program]).check().out.splitlines():
        address, *frames = row.split('\t')
        out.append((int(address, 16), [(f.rpartition(':')[0], int(f.rpartition(':')[2])) for f in frames]))
    assert len(out) >= 4
    return out


def build_id(program):
    need('readelf')
    for row in command('readelf', '-n', program).splitlines():
        if 'Build ID:' in row:
            return row.split()[-1]
    raise AssertionError('%s has no build id' % program)


# ---- asking ----

def ask(program, addresses, env=None, **options):
    """({address: [Frame]}, kind, warnings)."""
    argv = [harness.built('synth/symbols_probe')] + ['%s=%s' % (k.replace('_', '-'), v) for k, v in options.items()] + [program]
    text = ''.join('%x\n' % a if isinstance(a, int) else a + '\n' for a in addresses)
    done = subprocess.run(argv, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env or harness.clean_env(DEBUGINFOD_URLS=''), timeout=60 * harness.patience())
    assert done.returncode == 0, 'symbols_probe ended with %d: %s' % (done.returncode, done.stderr.decode()[-2000:])
    frames, kind, warnings = collections.OrderedDict(), None, []
    for row in done.stdout.decode('utf-8', 'replace').split('\n')[:-1]:
        first, *rest = row.split('\t')
        if first == 'kind':
            kind = rest[0]
        elif first == 'warning':
            warnings.append(rest[0])
        elif first == 'counted':
            frames['counted'] = tuple(map(int, rest))
        else:
            f, l, file, line, column, inlined = rest
            frames.setdefault(int(first, 16), []).append(Frame(f, l, file, int(line), int(column), inlined == '1'))
    return frames, kind, warnings


def check(program, truth=None, file=None, env=None, **options):
    """Every address that the program noted has the functions and lines that it noted."""
    truth = truth or truth_of(program)
    got, _, warnings = ask(program, [a for a, _ in truth], env, **options)
    for address, want in truth:
        frames = got[address]
        assert [(f.function, f.line) for f in frames] == want, '%x: %s, not %s %s' % (address, frames, want, warnings)
        assert all(f.inlined for f in frames[:-1]) and not frames[-1].inlined, frames
        assert all(os.path.basename(f.file).startswith(('plain.c', 'things.cc', 'rust.rs')) for f in frames), frames
        assert all(f.file == (file or f.file) and os.path.isabs(f.file) for f in frames), frames
    assert not warnings, warnings
    return truth


def has_names_only(program, truth, **options):
    """Names, but neither lines nor inlined functions: no debug information was found."""
    got, _, _ = ask(program, [a for a, _ in truth], **options)
    for address, want in truth:
        assert [f.line for f in got[address]] == [0] and got[address][0].function in (want[-1][0], ''), got[address]


# ---- compilers ----

@harness.cases([], ['-gdwarf-4'], ['-gdwarf-5'], ['-gz'], ['-gsplit-dwarf'], ['-flto'], ['-ffunction-sections', '-Wl,--gc-sections'],
               ['-O3'], ['-Og'], ['-fdebug-types-section'])
def test_c(tmp, case):
    check(compile_c(tmp, *case), file=source('plain.c'))


@harness.cases([], ['-gdwarf-4'], ['-flto=thin'])
def test_clang(tmp, case):
    need('ld.lld' if case == ['-flto=thin'] else 'clang')
    check(compile_c(tmp, *(case + ['-fuse-ld=lld'] if case == ['-flto=thin'] else case), compiler='clang'), file=source('plain.c'))


@harness.cases([], ['-gdwarf-4'], ['-gz'], ['-flto'])
def test_cxx(tmp, case):
    check(compile_cxx(tmp, *case), file=source('things.cc'))


@harness.cases('legacy', 'v0')
def test_rust(tmp, case):
    program = compile_rust(tmp, *(['-C', 'symbol-mangling-version=v0'] if case == 'v0' else []))
    truth = truth_of(program)
    if case == 'v0':  # it writes methods of a type so
        truth = [(a, [(f.replace('rust::shop::Cart::', '<rust::shop::Cart>::'), line) for f, line in t]) for a, t in truth]
    check(program, truth, file=source('rust.rs'))


def test_relative_names_are_joined(tmp):
    """The compiler was started beside the source: names in DWARF are relative to its folder."""
    need('gcc')
    os.makedirs(os.path.join(tmp, 'a/b'))
    for name in 'plain.c', 'note.c', 'note.h':
        shutil.copy(source(name), os.path.join(tmp, 'a'))
    command('gcc', '-g', '-O2', '-Wl,--build-id', '../../a/./plain.c', '../note.c', '-o', '../../plain', '-ldl', cwd=os.path.join(tmp, 'a/b'))
    check(os.path.join(tmp, 'plain'), file=os.path.join(os.path.realpath(tmp), 'a/plain.c'))


def test_address_of_return(tmp):
    """The address behind a call that ends a line is still the call's."""
    program = compile_c(tmp)
    truth = truth_of(program)
    got, _, _ = ask(program, ['=%x' % (a - 1) for a, _ in truth])
    assert [got[a - 1][0][:1] + got[a - 1][0][3:4] for a, _ in truth] == [t[0] for _, t in truth]


def test_outside(tmp):
    program = compile_c(tmp)
    got, kind, warnings = ask(program, [0, 1, 0xffffffffffff, 0x7000000])
    assert all(f == [Frame('', '', '', 0, 0, False)] for f in got.values()) and len(got) == 4, got
    assert kind == 'library' and not warnings


# ---- where symbols are ----

def split(program, debug, link=True):
    """Moves the debug information to another file, as distributions do."""
    need('objcopy')
    os.makedirs(os.path.dirname(debug), exist_ok=True)
    command('objcopy', '--only-keep-debug', program, debug)
    command('objcopy', '--strip-all', program)
    if link:
        command('objcopy', '--add-gnu-debuglink=' + debug, program)


@harness.cases('stripped', 'symtab only', 'unknown')
def test_less(tmp, case):
    program = compile_c(tmp)
    truth = truth_of(program)
    need('objcopy')
    command('objcopy', {'stripped': '--strip-all', 'symtab only': '--strip-debug', 'unknown': '--strip-debug'}[case], program)
    if case == 'unknown':
        os.unlink(program)
    got, _, _ = ask(program, [a for a, _ in truth])
    for address, want in truth:
        assert [f.line for f in got[address]] == [0]
        assert got[address][0].function == (want[-1][0] if case == 'symtab only' else ''), (got[address], want)


@harness.cases('beside', '.debug', 'debug path by name', 'debug path by id', 'debug path flat', 'id below the root')
def test_separate_file(tmp, case):
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    by_id = os.path.join('.build-id', own[:2], own[2:] + '.debug')
    place, options = {
        'beside': ('bin/plain.debug', {}),
        '.debug': ('bin/.debug/plain.debug', {}),
        'debug path by name': ('debug' + os.path.realpath(tmp) + '/bin/plain.debug', {'debug_path': tmp + '/none:' + tmp + '/debug'}),
        'debug path by id': ('debug/' + by_id, {'debug_path': tmp + '/debug'}),
        'debug path flat': ('debug/plain.debug', {'debug_path': tmp + '/debug'}),
        'id below the root': ('top/usr/lib/debug/' + by_id, {'sysroot': tmp + '/top/'}),
    }[case]
    split(program, os.path.join(tmp, place), link='by id' not in case and 'below' not in case)
    if 'below' in case:
        os.makedirs(tmp + '/top/srv')
        shutil.move(program, tmp + '/top/srv/plain')
        program = '/srv/plain'
    check(program, truth, build_id=own, **options)
    os.unlink(os.path.join(tmp, place))
    has_names_only(program, truth, build_id=own, **options)


def test_separate_file_of_another_build(tmp):
    """It has the name and not the build id; without build ids the checksum tells."""
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    split(program, tmp + '/bin/plain.debug')
    other = compile_c(tmp, '-O1', folder='other')
    command('objcopy', '--only-keep-debug', other, tmp + '/bin/plain.debug')
    has_names_only(program, truth, build_id=own)


@harness.cases('right', 'wrong')
def test_separate_file_by_checksum(tmp, case):
    program = compile_c(tmp, '-Wl,--build-id=none')
    truth = truth_of(program)
    split(program, tmp + '/bin/plain.debug')
    if case == 'right':
        check(program, truth)
        return
    with open(tmp + '/bin/plain.debug', 'ab') as f:
        f.write(b'x')
    has_names_only(program, truth)


def test_debug_file_alone(tmp):
    """The program is gone, its debug file is not."""
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    split(program, os.path.join(tmp, 'debug/.build-id', own[:2], own[2:] + '.debug'))
    os.unlink(program)
    check(program, truth, build_id=own, debug_path=tmp + '/debug')


def test_wrong_build(tmp):
    """The file was replaced since: one sentence, no names from it."""
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    check(program, truth, build_id=own)
    compile_c(tmp, '-O1')
    got, _, warnings = ask(program, [a for a, _ in truth], build_id=own)
    assert all(f == [Frame('', '', '', 0, 0, False)] for f in got.values()), got
    assert len(warnings) == 1 and program in warnings[0] and 'build id' in warnings[0], warnings


def test_second_root(tmp):
    """The same file below another root, reached by symbolic links that are absolute there."""
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    root = tmp + '/top'
    os.makedirs(root + '/usr/lib/deep')
    shutil.move(program, root + '/usr/lib/deep/plain')
    os.symlink('/usr/lib', root + '/lib')
    os.symlink('/lib/deep/plain', root + '/usr/lib/linked')
    check('/lib/linked', truth, build_id=own, sysroot=root)
    got, _, _ = ask('/lib/../../../lib/linked', [truth[0][0]], build_id=own, sysroot=root)
    assert got[truth[0][0]][0].function == truth[0][1][0][0], 'leaves the root'
    got, _, _ = ask('/lib/linked', [truth[0][0]], build_id=own, sysroot=tmp + '/nowhere')
    assert got[truth[0][0]][0].function == ''


def test_shared_debug_file(tmp):
    """dwz moves what two debug files share to a third one."""
    need('dwz', 'objcopy')
    a, b = compile_cxx(tmp), compile_c(tmp)
    shutil.copy(a, a + '2')
    truth = truth_of(a)
    command('dwz', '-m', tmp + '/shared.dwz', '-M', tmp + '/shared.dwz', a, a + '2', b)
    assert '.gnu_debugaltlink' in command('readelf', '-S', a)
    check(a, truth)
    os.unlink(tmp + '/shared.dwz')
    got, _, _ = ask(a, [x for x, _ in truth])
    assert len(got) == len(truth)


def test_symbols_in_gnu_debugdata(tmp):
    """A compressed table of symbols in a stripped file, as Fedora makes them."""
    need('objcopy')
    program = compile_c(tmp)
    truth = truth_of(program)
    command('objcopy', '--only-keep-debug', program, tmp + '/mini')
    command('objcopy', '--strip-debug', tmp + '/mini')
    with open(tmp + '/mini', 'rb') as f, open(tmp + '/mini.xz', 'wb') as to:
        to.write(lzma.compress(f.read()))
    command('objcopy', '--strip-all', program)
    command('objcopy', '--add-section', '.gnu_debugdata=%s/mini.xz' % tmp, program)
    got, _, _ = ask(program, [a for a, _ in truth])
    if all(f[0].function == '' for f in got.values()):
        raise harness.Skip('this libdw does not read .gnu_debugdata')
    assert [got[a][0].function for a, _ in truth] == [t[-1][0] for _, t in truth]


@harness.cases([], ['-Wl,-z,pack-relative-relocs'])
def test_stripped_extension_module(tmp, case):
    """Its functions have the names that its tables give them; what only looks like a table gives none."""
    need('gcc', 'nm', 'objcopy')
    library = tmp + '/extension.so'
    done = subprocess.run(['gcc', '-O2', '-shared', '-fPIC'] + case + [source('extension.c'), '-o', library], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if case and (done.returncode or b'ignored' in done.stdout):
        raise harness.Skip('this linker has no %s' % case[0])
    assert done.returncode == 0, done.stdout.decode()
    start = {row.split()[2]: int(row.split()[0], 16) for row in command('nm', library).splitlines() if len(row.split()) == 3}
    truth = {'add_thing': 'add', 'drop_thing': 'drop', 'get_size': 'size', 'set_size': 'size', 'get_kind': 'kind', 'no_method': '',
             'box_dealloc': 'Box.tp_dealloc', 'box_new': 'Box.tp_new', 'fill_module': 'module exec', 'PyInit_extension': 'PyInit_extension'}
    asked = ['=%x' % start[name] for name in truth]
    got, kind, _ = ask(library, asked)
    assert {name: got[start[name]][0].function for name in truth} == {name: name for name in truth} and kind == 'extension'
    command('objcopy', '--strip-all', library)
    got, kind, _ = ask(library, asked)
    assert {name: got[start[name]][0].function for name in truth} == truth and kind == 'extension'


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.files.get(self.path)
        if self.server.hangs.is_set():
            self.server.stop.wait(100)
        self.send_response(200 if body else 404)
        self.send_header('Content-Length', str(len(body or b'')))
        self.end_headers()
        self.wfile.write(body or b'')

    def log_message(self, *args):
        pass


@harness.cases('answers', 'has not', 'is not there', 'not asked', 'hangs')
def test_debuginfod(tmp, case):
    if not glob.glob('/usr/lib/*/libdebuginfod.so.1') + glob.glob('/usr/lib*/libdebuginfod.so.1'):
        raise harness.Skip('needs libdebuginfod')
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    split(program, tmp + '/debug/plain.debug', link=False)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server)
    server.asked, server.files, server.hangs, server.stop = [], {}, threading.Event(), threading.Event()
    if case == 'answers':
        with open(tmp + '/debug/plain.debug', 'rb') as f:
            server.files['/buildid/%s/debuginfo' % own] = f.read()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = harness.clean_env(DEBUGINFOD_URLS='http://127.0.0.1:%d' % server.server_address[1], DEBUGINFOD_CACHE_PATH=tmp + '/cache')
    if case == 'hangs':
        server.hangs.set()
        env['DEBUGINFOD_TIMEOUT'] = '2'
    start = time.monotonic()
    try:
        if case == 'is not there':
            server.shutdown()
            server.server_close()
        if case == 'not asked':
            env['DEBUGINFOD_URLS'] = ''
        got, _, _ = ask(program, [a for a, _ in truth], env, build_id=own)
        if case == 'answers':
            check(program, truth, env=env, build_id=own)
        else:
            assert all(f[0].function == '' for f in got.values())
        asked = [p for p in server.asked if own in p]
        assert bool(asked) == (case in ('answers', 'has not', 'hangs')), server.asked
        assert time.monotonic() - start < (60 if case == 'hangs' else 30), 'waited too long'
    finally:
        server.stop.set()
        if case != 'is not there':
            server.shutdown()
            server.server_close()


# ---- bundles ----

def test_bundle(tmp):
    """What was asked where the file was is known where it is not; inlined functions, lines and kind included."""
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    before = ask(program, [a for a, _ in truth], build_id=own, write=tmp + '/out.symbols')
    os.unlink(program)
    assert ask(program, [a for a, _ in truth], build_id=own, bundle=tmp + '/out.symbols') == before
    compile_c(tmp, '-O1')  # another file of that name
    assert ask(program, [a for a, _ in truth], build_id=own, bundle=tmp + '/out.symbols') == before
    got, _, _ = ask(program, [truth[0][0]], build_id='00' * 20, bundle=tmp + '/out.symbols')
    assert got[truth[0][0]][0].function == ''


def test_bundle_that_knows_less(tmp):
    """Made from a stripped file: what --debug-path finds is more."""
    program = compile_c(tmp)
    truth, own = truth_of(program), build_id(program)
    split(program, os.path.join(tmp, 'debug/.build-id', own[:2], own[2:] + '.debug'), link=False)
    ask(program, [a for a, _ in truth], build_id=own, write=tmp + '/out.symbols')
    check(program, truth, build_id=own, bundle=tmp + '/out.symbols', debug_path=tmp + '/debug')


# ---- damage ----

def sections(data):
    """{name: (offset, size)} of an ELF file."""
    at, = struct.unpack_from('<Q', data, 40)
    n, names = struct.unpack_from('<HH', data, 60)
    rows = [struct.unpack_from('<IIQQQQ', data, at + 64 * i) for i in range(n)]
    start = rows[names][4]
    return {bytes(data[start + r[0]:data.index(0, start + r[0])]).decode(): (r[4], r[5]) for r in rows if r[1] != 8}, (at, 64 * n)


def damage(data, rng):
    """A copy with some bytes changed where it hurts, or cut."""
    named, headers = sections(data)
    areas = [a for name, a in named.items() if name.startswith(('.debug', '.symtab', '.dynsym', '.note', '.strtab')) and a[1]]
    areas += [headers, (0, 64 + 56 * 8)]
    bad = bytearray(data)
    if rng.random() < 0.1:
        return bad[:rng.randrange(len(bad))]
    for _ in range(rng.choice((1, 2, 5, 20, 200))):
        offset, size = rng.choice(areas)
        at = offset + rng.randrange(size)
        bad[at] = rng.choice((0, 0x7f, 0x80, 0xff, rng.randrange(256), bad[at] ^ 1 << rng.randrange(8)))
    return bad


@harness.cases(*([f, name] for f in ([], ['-gdwarf-4', '-gz']) for name in ('c', 'c++')))
def test_damaged_files(tmp, case):
    """No name, or a wrong one, in little time; never a crash."""
    flags, language = case
    program = compile_c(tmp, *flags) if language == 'c' else compile_cxx(tmp, *flags)
    truth = truth_of(program)
    rng = random.Random(7)
    with open(program, 'rb') as f:
        good = f.read()
    named = 0
    for _ in range(2000 if harness.FULL else 100):
        with open(tmp + '/bad', 'wb') as f:
            f.write(damage(good, rng))
        got, _, _ = ask(tmp + '/bad', [a for a, _ in truth] + ['0-4000+7'])
        named += got[truth[0][0]][0].function == truth[0][1][0][0]
    assert named > 20, 'hardly any damaged file gave names: does the test damage too much?'


def test_no_elf(tmp):
    for content in b'', b'\x7fELF', b'\x7fELF' + bytes(60), b'#!/bin/sh\n' * 100, b'!<arch>\n' * 100:
        with open(tmp + '/bad', 'wb') as f:
            f.write(content)
        got, _, _ = ask(tmp + '/bad', [0x1000])
        assert got[0x1000][0].function == ''
    os.mkfifo(tmp + '/pipe')
    for name in tmp + '/pipe', tmp, '/dev/zero', '', 'x' * 5000, '/' + 'x/' * 3000:
        got, _, _ = ask(name, [0x1000])
        assert got[0x1000][0].function == ''


# ---- speed ----

def test_speed(tmp):
    """100,000 addresses of a large library within seconds."""
    best = None
    for python in harness.PYTHONS:
        for name in glob.glob(os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(python.path))), 'lib', 'libpython3.*.so.1.0')):
            best = name
    if not best:
        raise harness.Skip('no interpreter here has a libpython with debug information')
    need('readelf')
    for row in command('readelf', '-lW', best).splitlines():
        if row.split()[:1] == ['LOAD'] and ' E ' in row[60:]:
            low, size = int(row.split()[2], 16), int(row.split()[5], 16)
    start = time.process_time() + os.times().children_user
    got, kind, _ = ask(best, ['%x-%x+%d' % (low, low + size, size // 100000)])
    took = time.process_time() + os.times().children_user - start
    assert kind == 'interpreter' and got['counted'][0] >= 100000, (kind, got)
    assert took < 5, '%d addresses took %.1f s of CPU' % (got['counted'][0], took)
