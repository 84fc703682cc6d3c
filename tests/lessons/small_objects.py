"""Small objects and pools: 2,000 objects of each size up to 512 bytes and one above, each size on a line of its own. The smallest
is what an empty bytes object needs: 40 bytes, 56 in free-threaded builds."""
kept = []
head = bytes(0).__sizeof__()
for size in range(-(-head // 8) * 8, 513, 8):
    source = '\n' * size + 'kept.append([bytes(n) for i in range(2000)])\n'
    exec(compile(source, '<size>', 'exec'), {'kept': kept, 'n': size - head})
big = 513 - head
kept.append([bytes(big) for i in range(2000)])  # above the limit
