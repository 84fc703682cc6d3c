"""Small objects and pools: 20,000 objects of each size from 40 to 512 bytes and one above, each size on a line of its own."""
kept = []
head = bytes(0).__sizeof__()
for size in range(40, 513, 8):
    source = '\n' * size + 'kept.append([bytes(n) for i in range(2000)])\n'
    exec(compile(source, '<size>', 'exec'), {'kept': kept, 'n': size - head})
big = 513 - head
kept.append([bytes(big) for i in range(2000)])  # above the limit
