# SPDX-License-Identifier: Apache-2.0
"""json: a nested document written and read again."""
import json
import sys

document = {
    "users": [
        {"id": i, "name": "user %d" % i, "tags": ["t%d" % j for j in range(8)], "score": i * 1.25, "active": i % 3 == 0}
        for i in range(300)
    ]
}
length = 0
for _ in range(int(sys.argv[1])):
    text = json.dumps(document, indent=1 if _ % 4 == 0 else None)
    document = json.loads(text)
    length += len(text)
print(length)
