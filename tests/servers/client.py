"""Sends and reads one message by Python's own libraries, over every way in.

Not a test by itself: real_clients.rs runs it and compares what arrived.
"""

import imaplib
import poplib
import smtplib
import ssl
import sys

(what, path, ca, user, password, mailbox) = sys.argv[1:7]
(smtp, smtps, imap, imaps, pop3, pop3s) = map(int, sys.argv[7:13])
message = open(path, "rb").read()
trust = ssl.create_default_context(cafile=ca)
PATIENCE = 30


def check(name, got):
    if got != message:
        sys.exit(f"{name}: other bytes, {len(got)} instead of {len(message)}")


def send():
    with smtplib.SMTP("localhost", smtp, timeout=PATIENCE) as server:
        server.starttls(context=trust)
        server.login(user, password)
        server.sendmail(mailbox, [mailbox], message, ["BODY=8BITMIME"])
    with smtplib.SMTP_SSL("localhost", smtps, timeout=PATIENCE, context=trust) as server:
        server.login(user, password)
        server.sendmail(mailbox, [mailbox], message)


def read_imap(name, server):
    server.login(user, password)
    server.select("INBOX")
    (_, found) = server.search(None, "ALL")
    (_, parts) = server.fetch(found[0].split()[-1], "(BODY.PEEK[])")
    check(name, parts[0][1])
    (said, _) = server.append("INBOX", None, None, message)
    if said != "OK":
        sys.exit(f"{name}: APPEND said {said}")
    (_, found) = server.search(None, "ALL")
    (_, parts) = server.fetch(found[0].split()[-1], "(BODY.PEEK[])")
    check(f"{name} after APPEND", parts[0][1])
    server.logout()


def read_pop3(name, server):
    server.user(user)
    server.pass_(password)
    (count, _) = server.stat()
    (_, lines, _) = server.retr(count)
    check(name, b"".join(line + b"\r\n" for line in lines))
    server.quit()


def read():
    server = imaplib.IMAP4("localhost", imap, timeout=PATIENCE)
    server.starttls(trust)
    read_imap("IMAP", server)
    read_imap("IMAPS", imaplib.IMAP4_SSL("localhost", imaps, ssl_context=trust, timeout=PATIENCE))
    server = poplib.POP3("localhost", pop3, timeout=PATIENCE)
    server.stls(trust)
    read_pop3("POP3", server)
    read_pop3("POP3S", poplib.POP3_SSL("localhost", pop3s, context=trust, timeout=PATIENCE))


{"send": send, "read": read}[what]()
