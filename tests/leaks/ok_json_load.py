# SPDX-License-Identifier: Apache-2.0
"""One large document is read; it is there until the end."""
import json

text = json.dumps([{'id': i, 'name': 'n%d' % i, 'tags': ['a', 'b', str(i)]} for i in range(20000)])
data = json.loads(text)
