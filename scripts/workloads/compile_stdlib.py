# SPDX-License-Identifier: Apache-2.0
"""Parse and compile modules of the standard library."""
import ast
import os
import sys

folder = os.path.dirname(os.__file__)
names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))[: int(sys.argv[1])]
nodes = compiled = 0
for name in names:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        source = file.read()
    tree = ast.parse(source)
    nodes += sum(1 for _ in ast.walk(tree))
    compiled += len(compile(source, name, "exec").co_code)
print(len(names), nodes, compiled)
