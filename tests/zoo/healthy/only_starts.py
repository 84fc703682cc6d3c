"""A program that reads its configuration, imports what it needs, builds its tables and ends."""
import argparse
import collections
import configparser
import json
import logging
import re
import time

parser = argparse.ArgumentParser()
for number in range(40):
    parser.add_argument('--option%d' % number, default=number, help='an option')
options = parser.parse_args([])
config = configparser.ConfigParser()
config.read_string('\n'.join('[section%d]\nkey = value\nother = %d' % (i, i) for i in range(300)))
table = json.loads(json.dumps({'row%d' % i: {'a': i, 'b': [i, i + 1], 'c': 'text %d' % i} for i in range(20000)}))
words = collections.Counter(re.findall(r'\w+', ' '.join('word%d' % (i % 3000) for i in range(30000))))
logging.getLogger('app').debug('%d options, %d rows, %d words', len(vars(options)), len(table), len(words))
time.sleep(1)
