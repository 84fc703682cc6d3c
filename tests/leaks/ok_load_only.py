# SPDX-License-Identifier: Apache-2.0
"""All that the program does is to load a document."""
import json

data = json.loads('[' + ', '.join(['{"id": 1, "name": "somebody", "tags": ["first", "second"]}'] * 20000) + ']')
