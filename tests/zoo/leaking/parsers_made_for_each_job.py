"""Parsers of options are full of cycles; a job server with the collector off makes one for each job (as Django's BaseCommand).

verdict: cycle-garbage
"""
import argparse
import gc
import time

gc.disable()


def run(arguments):
    parser = argparse.ArgumentParser(prog="job")  # leak
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("name")
    return parser.parse_args(arguments).name


for number in range(400):
    run(["job-%d" % number])
    time.sleep(0.004)
