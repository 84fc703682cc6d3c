"""TLS contexts made and dropped; OpenSSL has tables of its own, which fill once."""
import ssl
import time

for number in range(150):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ECDHE+AESGCM")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="host-%d.example" % number)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        assert outgoing.pending
    [str(i) for i in range(30)]
    time.sleep(0.01)
