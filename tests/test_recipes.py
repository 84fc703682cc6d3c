# SPDX-License-Identifier: Apache-2.0
"""What the documents tell people to type exists: commands, options, variables, files; and what can be run here, runs."""
import glob
import os
import re
import shlex

import harness

TOP = harness.TOP
PAGES = ['README.md', 'HACKING.md', 'python/README.md'] + sorted(os.path.relpath(p, TOP) for p in glob.glob(os.path.join(TOP, 'docs', '**', '*.md'),
                                                                                                            recursive=True))
# Read by the analyzer and the plugin, not by the tracer; and those of the tests.
OTHER_VARIABLES = {'PYTRACE_LIBRARY', 'PYTRACE_PYTHONS', 'PYTRACE_BUILD', 'PYTRACE_TEST_PYTHONS'}


def read(path):
    with open(os.path.join(TOP, path)) as f:
        return f.read()


def helps():
    """{command: text of --help}"""
    text = harness.pytrace('--help').out
    names = re.findall(r'^  ([a-z]+) {2,}\S', text, re.M)
    assert {'run', 'check', 'leaks', 'refs'} <= set(names), text
    return {name: harness.pytrace(name, '--help').out for name in names}


def commands(text):
    """Each `pytrace COMMAND ...` that stands in a block or between backquotes, in one line."""
    text = re.sub(r'\\\n\s*', ' ', text)
    blocks = re.findall(r'```[a-z]*\n(.*?)```', text, re.S) + re.findall(r'(?<!`)`([^`\n]+)`', re.sub(r'```.*?```', '', text, flags=re.S))
    for block in blocks:
        for line in block.splitlines():
            found = re.search(r'(?:^|[\s;&/])pytrace ([a-z][a-z-]*)(?=\s|$)(.*)', line)
            if found and not line.lstrip().startswith(('pytrace: ', '#')):
                yield found.group(1), re.split(r'\s#\s|\s\|\s|\s>\s|;', found.group(2))[0]


def words(rest):
    try:
        found = shlex.split(rest)
    except ValueError:
        found = rest.split()
    return found[:found.index('--')] if '--' in found else found


def option_names(help_text):
    return set(re.findall(r'(?:^|\s)(--?[a-z][a-z-]*|-[a-zA-Z])(?=[\s,]|$)', help_text.split('Options:', 1)[1], re.M))


def test_commands_and_options_exist():
    known = helps()
    met = 0
    for page in PAGES:
        for name, rest in commands(read(page)):
            assert name in known, '%s: pytrace %s' % (page, name)
            for word in words(rest):
                option = word.split('=')[0]
                if re.match(r'--?[a-zA-Z]', word):
                    assert option in option_names(known[name]), '%s: pytrace %s %s' % (page, name, option)
            met += 1
    assert met > 30, met


def test_examples_of_help_are_understood():
    """Their options are those of their own command."""
    for name, text in helps().items():
        examples = re.findall(r'^  pytrace (\S+)(.*)$', text.split('Examples:', 1)[1], re.M) if 'Examples:' in text else []
        assert examples or name == 'help', name
        for command, rest in examples:
            known = option_names(text if command == name else harness.pytrace(command, '--help').out)
            for word in words(rest):
                assert not re.match(r'--?[a-zA-Z]', word) or word.split('=')[0] in known, 'pytrace %s%s' % (command, rest)


def test_variables_exist():
    known = set(re.findall(r'^OPTION\((\w+)', read('preload/options.def'), re.M))
    for page in PAGES:
        for name in set(re.findall(r'PYTRACE_[A-Z]+(?:_[A-Z]+)*', read(page))) - OTHER_VARIABLES:
            assert name[len('PYTRACE_'):] in known, '%s: %s' % (page, name)


def test_values_of_variables_are_understood(tmp):
    """Each NAME=VALUE of a document is taken by the tracer without a word."""
    met = set()
    for page in PAGES:
        for name, value in re.findall(r'\b(PYTRACE_(?:SNAPSHOT|MAX_SIZE|NATIVE|MODE|FOLLOW|LIVES))=([^\s`\'")]+)', read(page)):
            met.add((name, value.rstrip('.,;:').replace('%%', '%')))
        met |= {('PYTRACE_SNAPSHOT', v) for v in re.findall(r'`((?:signal|every|growth)=[^`]+)`', read(page))}
    assert len(met) >= 4, met
    for name, value in sorted(met):
        if '…' in value:
            continue
        done = harness.run_traced([harness.PYTHONS[0].path, '-c', ''], tmp, {name: value}).check()
        assert not done.err, (name, value, done.err)


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r'\]\(([^)#:]+)\)', read(page)):
            path = os.path.normpath(os.path.join(TOP, os.path.dirname(page), target))
            assert os.path.exists(path), '%s: %s' % (page, target)


APP = '''
import libpytrace
kept = []
for number in range(4000):
    kept.append('request %d' % number * 10)
    libpytrace.mark('request')
'''


def test_checks_of_the_recipes_run(tmp):
    """Each `pytrace check` line of a recipe, with a trace in its place: red where the recipe looks for growth."""
    os.mkdir(os.path.join(tmp, 'traces'))
    with open(os.path.join(tmp, 'app.py'), 'w') as f:
        f.write(APP)
    with open(os.path.join(tmp, 'leaks.supp'), 'w'):
        pass
    done = harness.run_traced([harness.PYTHONS[0].path, 'app.py'], os.path.join(tmp, 'traces'), cwd=tmp).check()
    met = 0
    for page in PAGES:
        for name, rest in commands(read(page)) if page.startswith('docs') else ():
            if name != 'check' or not rest.strip():
                continue
            args = [done.trace if w.endswith('.pytrace') else w for w in shlex.split(rest)]
            if os.path.exists(os.path.join(tmp, 'leaks.json')):
                os.unlink(os.path.join(tmp, 'leaks.json'))
            got = harness.run([harness.PYTRACE, 'check'] + args, cwd=tmp)
            red = '--update-baseline' not in args and '--verdicts' not in args
            assert got.returncode == (1 if red else 0) and 'see' not in got.err, (page, rest, got.returncode, got.err)
            met += 1
    assert met >= 4, met
