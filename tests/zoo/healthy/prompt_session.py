"""A session at the prompt: thousands of statements, definitions again and again, errors."""
import code
import contextlib
import io

console = code.InteractiveConsole({"__name__": "__console__"})
out = io.StringIO()
lines = ["import math", "x = [math.sqrt(n) for n in range(50)]", "def f(a, b=2):", "    return a ** b", "", "f(3)",
         "x[99]", "class P:", "    def __init__(self, v): self.v = v", "", "p = P(x)", "sum(p.v)", "'%s' % p.v[:3]", "1 +",
         "d = {i: str(i) for i in range(100)}", "d[5]", "del d"]
n = 0
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
    for round in range(150):
        for line in lines:
            n += 1
            console.push(line)
        console.resetbuffer()
        out.seek(0)
        out.truncate()
print(n)
