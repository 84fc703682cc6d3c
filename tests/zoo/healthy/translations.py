"""Message catalogues of thirty languages are read when they are first asked for, and kept by gettext; locales are set back."""
import gettext
import locale
import os
import struct
import tempfile
import time


def catalogue(language):
    messages = [(b"", b"Content-Type: text/plain; charset=UTF-8\n")]
    messages += [(b"message %03d" % i, ("%s %d" % (language, i)).encode()) for i in range(40)]
    at, n = 28 + 16 * len(messages), len(messages)
    tables, texts = [b"", b""], b""
    for which in (0, 1):
        for pair in messages:
            tables[which] += struct.pack("<II", len(pair[which]), at + len(texts))
            texts += pair[which] + b"\0"
    return struct.pack("<7I", 0x950412de, 0, n, 28, 28 + 8 * n, 0, 0) + tables[0] + tables[1] + texts


with tempfile.TemporaryDirectory() as folder:
    languages = ["l%c%c" % (97 + i // 10, 97 + i % 10) for i in range(30)]
    for language in languages:
        os.makedirs(os.path.join(folder, language, "LC_MESSAGES"))
        with open(os.path.join(folder, language, "LC_MESSAGES", "app.mo"), "wb") as f:
            f.write(catalogue(language))
    for number in range(900):
        translation = gettext.translation("app", folder, [languages[number // 25 % 30]])
        assert translation.gettext("message %03d" % (number % 40)) != "message"
        locale.setlocale(locale.LC_NUMERIC, "C")
        locale.localeconv()
        time.sleep(0.002)
