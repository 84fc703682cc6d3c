"""Child processes by every usual way: argv[1] says which."""
import subprocess
from truth import *


def child(n):
    forget()
    p = helper.truth_malloc(n); alive('malloc', n); stack_alive('malloc', n)
    done()
    return n


def by_pool(method):
    import multiprocessing
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert sorted(pool.map(child, [701, 702, 703, 704], 1)) == [701, 702, 703, 704]
        pool.close()
        pool.join()


def by_process(method):
    import multiprocessing
    context = multiprocessing.get_context(method)
    children = [context.Process(target=child, args=(800 + i,)) for i in range(3)]
    for c in children:
        c.start()
    for c in children:
        c.join()
    assert all(c.exitcode == 0 for c in children)


def main():
    p = helper.truth_malloc(700); alive('malloc', 700)
    how = sys.argv[1]
    if how == 'subprocess':
        for i in range(3):
            subprocess.check_call([sys.executable, __file__, 'alone'])
        subprocess.check_call('true; echo >/dev/null', shell=True)
        os.posix_spawn('/bin/true', ['true'], os.environ)
        os.wait()
        assert os.system('exit 3') >> 8 == 3
    elif how != 'alone':
        by_process(how)
    done()


if __name__ == '__main__':
    main()
