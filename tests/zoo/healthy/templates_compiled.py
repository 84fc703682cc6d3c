"""A hundred templates are compiled at their first use and kept; the last one is used for the first time at 80 % of the run."""
import time

SOURCE = "def render(context):\n    out = []\n%s    return ''.join(out)\n"
compiled = {}


def template(number):
    if number not in compiled:
        lines = "".join("    out.append('<p class=\"c%d\">' + str(context['v%d']) + '</p>')\n" % (number, i) for i in range(8))
        space = {}
        exec(compile(SOURCE % lines, "<template %d>" % number, "exec"), space)
        compiled[number] = space["render"]
    return compiled[number]


context = {"v%d" % i: i for i in range(8)}
for request in range(2000):
    template(request * 7 % (min(request, 1600) // 16 + 1))(context)
    time.sleep(0.001)
