# SPDX-License-Identifier: Apache-2.0
"""A small service: so many requests, as a test of it would send."""
import sys

from app import pages

pages.serve(int(sys.argv[1]) if len(sys.argv) > 1 else 6000)
