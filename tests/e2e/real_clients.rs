//! Programs that people really use, through Portreeve to Dovecot and Postfix: each moves a message
//! and every byte is compared.
//!
//! All of them verify TLS against Portreeve's own CA. Between them they use every listener and every
//! form of login. What a program itself adds or changes is said at its test.

use crate::{
    real_message::{assert_arrived, assert_body, difficult, lf, plain_body},
    real_setup::{MAILBOX, Real},
};
use portreeve_tests::servers::files;
use std::fs;

#[test]
fn real_client_swaks_sends_with_auth_login_after_starttls() {
    let real = Real::start();
    let message = real.file("message", without_last_line_end());
    let server = format!("localhost:{}", real.port("smtp"));
    real.run(
        &[
            "swaks",
            "--server",
            &server,
            "--tls",
            "--tls-verify",
            "--tls-ca-path",
            &real.ca(),
            "--auth",
            "LOGIN",
            "--auth-user",
            &real.device.login,
            "--auth-password",
            &real.device.password,
            "--from",
            MAILBOX,
            "--to",
            MAILBOX,
            "--data",
            &format!("@{message}"),
        ],
        "",
    );
    assert_arrived(&real.arrived(), &difficult());
}

#[test]
fn real_client_swaks_sends_with_auth_plain_over_tls() {
    let real = Real::start();
    let message = real.file("message", without_last_line_end());
    let server = format!("localhost:{}", real.port("smtps"));
    real.run(
        &[
            "swaks",
            "--server",
            &server,
            "--tls-on-connect",
            "--tls-verify",
            "--tls-ca-path",
            &real.ca(),
            "--auth",
            "PLAIN",
            "--auth-user",
            &real.device.login,
            "--auth-password",
            &real.device.password,
            "--from",
            MAILBOX,
            "--to",
            MAILBOX,
            "--data",
            &format!("@{message}"),
        ],
        "",
    );
    assert_arrived(&real.arrived(), &difficult());
}

#[test]
fn real_client_msmtp_sends() {
    let real = Real::start();
    for (listener, starttls, auth) in [("smtp", "on", "plain"), ("smtps", "off", "login")] {
        let rc = real.file(
            "msmtprc",
            format!(
                "account default\nhost localhost\nport {}\ntls on\ntls_starttls {starttls}\n\
                 tls_trust_file {}\nauth {auth}\nuser {}\npassword {}\nfrom {MAILBOX}\n",
                real.port(listener),
                real.ca(),
                real.device.login,
                real.device.password,
            ),
        );
        real.run(&["msmtp", "-C", &rc, MAILBOX], lf(&difficult()));
    }
    for arrived in real.servers.dovecot.delivered("scans", 2) {
        assert_arrived(&arrived, &difficult());
    }
}

#[test]
fn real_client_curl_sends_and_reads() {
    let real = Real::start();
    let message = real.file("message", difficult());
    let login = format!("{}:{}", real.device.login, real.device.password);
    let curl = [
        "curl",
        "-sS",
        "--ssl-reqd",
        "--cacert",
        &real.ca(),
        "-u",
        &login,
    ]
    .map(str::to_owned);
    let curl = |more: &[&str]| {
        let command: Vec<&str> = curl
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        real.run(&command, "").stdout
    };
    for listener in ["smtp", "smtps"] {
        let url = format!("{listener}://localhost:{}", real.port(listener));
        curl(&[
            "--mail-from",
            MAILBOX,
            "--mail-rcpt",
            MAILBOX,
            "-T",
            &message,
            &url,
        ]);
    }
    for arrived in real.servers.dovecot.delivered("scans", 2) {
        assert_arrived(&arrived, &difficult());
    }
    real.put(&lf(&difficult()));
    for listener in ["imap", "imaps"] {
        let url = format!(
            "{listener}://localhost:{}/INBOX;MAILINDEX=3",
            real.port(listener)
        );
        assert!(curl(&[&url]) == difficult(), "other bytes by {listener}");
    }
    for listener in ["pop3", "pop3s"] {
        let url = format!("{listener}://localhost:{}/3", real.port(listener));
        assert!(curl(&[&url]) == difficult(), "other bytes by {listener}");
    }
}

/// fetchmail turns line ends into LF for the delivery agent, and is told to add nothing.
#[test]
fn real_client_fetchmail_fetches_by_imap_and_pop3() {
    let real = Real::start();
    real.put(&lf(&difficult()));
    for (protocol, listener, tls) in [("IMAP", "imaps", "ssl"), ("POP3", "pop3", "")] {
        let out = real.path(listener);
        let rc = real.file(
            "fetchmailrc",
            format!(
                "poll localhost service {} protocol {protocol} username \"{}\" password \"{}\" \
                 {tls} sslproto \"TLS1.2+\" sslcertck sslcertfile \"{}\" keep fetchall no rewrite \
                 mda \"cat >{out}\"\n",
                real.port(listener),
                real.device.login,
                real.device.password,
                real.ca(),
            ),
        );
        // Root's pid file would be the system's own.
        let pid = real.path("fetchmail.pid");
        real.run(
            &[
                "fetchmail",
                "-f",
                &rc,
                "--nosyslog",
                "--invisible",
                "--pidfile",
                &pid,
            ],
            "",
        );
        assert_arrived(&fs::read(out).expect("a message"), &difficult());
    }
}

/// mbsync marks each message that it copies with an `X-TUID` line of its own.
#[test]
fn real_client_mbsync_copies_both_ways() {
    let real = Real::start();
    real.put(&lf(&difficult()));
    let near = real.path("maildir/");
    fs::create_dir(&near).expect("a folder");
    let rc = real.file(
        "mbsyncrc",
        format!(
            "IMAPAccount portreeve\nHost localhost\nPort {}\nUser \"{}\"\nPass \"{}\"\n\
             SSLType STARTTLS\nCertificateFile {}\nAuthMechs LOGIN\n\n\
             IMAPStore far\nAccount portreeve\n\n\
             MaildirStore near\nPath {near}\nInbox {near}INBOX\n\n\
             Channel inbox\nFar :far:INBOX\nNear :near:INBOX\nCreate Near\nSyncState *\n",
            real.port("imap"),
            real.device.login,
            real.device.password,
            real.ca(),
        ),
    );
    real.run(&["mbsync", "-c", &rc, "inbox"], "");
    let inbox = real.path("maildir/INBOX");
    let pulled = only_file(&format!("{inbox}/new"));
    assert!(
        without_line(&pulled, b"X-TUID:") == lf(&difficult()),
        "pulled"
    );

    fs::write(format!("{inbox}/cur/1.pushed:2,S"), lf(&difficult())).expect("a message");
    real.run(&["mbsync", "-c", &rc, "inbox"], "");
    let url = format!(
        "imaps://localhost:{}/INBOX;MAILINDEX=2",
        real.servers.dovecot.ports.imaps
    );
    let pushed = fetch_directly(&real, &url);
    assert!(
        without_line(&pushed, b"X-TUID:") == lf(&difficult()),
        "pushed"
    );
}

/// mutt writes the header of what it sends by itself, and encodes a body that is hard to transport. It keeps a copy by IMAP, over the second way.
#[test]
fn real_client_mutt_sends_and_keeps_a_copy() {
    let real = Real::start();
    let rc = real.file(
        "muttrc",
        format!(
            "set from='{MAILBOX}' use_from=yes realname='Scanner'\n\
             set ssl_starttls=yes ssl_force_tls=yes ssl_verify_host=yes\n\
             set certificate_file='' ssl_ca_certificates_file='{ca}'\n\
             set smtp_url='smtp://{user}@localhost:{smtp}/' smtp_pass='{pass}'\n\
             set smtp_authenticators='login'\n\
             set imap_user='{login}' imap_pass='{pass}'\n\
             set record='imaps://localhost:{imaps}/INBOX' copy=yes\n\
             set send_charset='utf-8' allow_8bit=yes\n",
            ca = real.ca(),
            user = real.device.login.replace('@', "%40"),
            login = real.device.login,
            pass = real.device.password,
            smtp = real.port("smtp"),
            imaps = real.port("imaps"),
        ),
    );
    real.run(
        &["mutt", "-F", &rc, "-s", "By mutt", "--", MAILBOX],
        plain_body(),
    );
    // mutt stores its copy as seen, so that it is not among the new messages.
    assert_body(&real.arrived(), plain_body().as_bytes());
    let url = format!(
        "imaps://localhost:{}/INBOX;MAILINDEX=",
        real.servers.dovecot.ports.imaps
    );
    for number in 1..=2 {
        assert_body(
            &fetch_directly(&real, &format!("{url}{number}")),
            plain_body().as_bytes(),
        );
    }
}

/// getmail puts a `Return-Path` line at the top when there is none, and by IMAP says where the
/// message came from.
#[test]
fn real_client_getmail_retrieves_by_pop3_and_imap() {
    let real = Real::start();
    real.put(&lf(&difficult()));
    for (retriever, listener) in [
        ("SimplePOP3SSLRetriever", "pop3s"),
        ("SimpleIMAPSSLRetriever", "imaps"),
    ] {
        let out = real.path(&format!("by-{listener}"));
        let name = format!("getmailrc-{listener}");
        let rc = real.file(
            &name,
            format!(
                "[retriever]\ntype = {retriever}\nserver = localhost\nport = {}\nusername = {}\n\
                 password = {}\nca_certs = {}\n\n\
                 [destination]\ntype = MDA_external\npath = /usr/bin/tee\n\
                 arguments = (\"{out}\",)\nallow_root_commands = true\n\n\
                 [options]\nread_all = true\ndelivered_to = false\nreceived = false\n",
                real.port(listener),
                real.device.login,
                real.device.password,
                real.ca(),
            ),
        );
        let folder = rc.strip_suffix(&format!("/{name}")).expect("its folder");
        real.run(&["getmail", "--getmaildir", folder, "--rcfile", &name], "");
        let got = fs::read(out).expect("a message");
        let got = without_line(&got, b"X-getmail-retrieved-from-mailbox:");
        assert_arrived(&got, &difficult());
    }
}

/// s-nail writes the header of what it sends by itself, and encodes a body that is hard to transport.
#[test]
fn real_client_s_nail_sends_and_reads() {
    let real = Real::start();
    let user = real.device.login.replace('@', "%40");
    let account = format!("{user}:{}@localhost", real.device.password);
    let tls = format!("tls-ca-file={}", real.ca());
    let common = [
        "s-nail",
        "-:/",
        "-S",
        "v15-compat=yes",
        "-S",
        &tls,
        "-S",
        "tls-verify=strict",
    ];
    let with = |more: &[&str], input: &[u8]| {
        let command: Vec<&str> = common.iter().chain(more).copied().collect();
        real.run(&command, input)
    };
    let mta = format!("mta=smtp://{account}:{}", real.port("smtp"));
    with(
        &[
            "-S",
            "smtp-use-starttls",
            "-S",
            "smtp-auth=plain",
            "-S",
            &mta,
            "-S",
            "sendcharsets=utf-8",
            "-S",
            "mime-encoding=8b",
            "-r",
            MAILBOX,
            "-s",
            "By s-nail",
            MAILBOX,
        ],
        plain_body().as_bytes(),
    );
    assert_body(&real.arrived(), plain_body().as_bytes());

    for (listener, folder) in [("imaps", "/INBOX"), ("pop3s", "")] {
        let url = format!("{listener}://{account}:{}{folder}", real.port(listener));
        let out = real.path(&format!("by-{listener}"));
        let copy = format!("copy 1 {out}");
        with(
            &[
                "-#",
                "-R",
                "-S",
                "imap-auth=login",
                "-Y",
                &copy,
                "-Y",
                "xit",
                "-f",
                &url,
            ],
            b"",
        );
        // An mbox: one line before the message, one empty line after it.
        let copied = fs::read(out).expect("a message");
        let message = copied.strip_suffix(b"\n").expect("an empty line");
        assert_body(message, plain_body().as_bytes());
    }
}

#[test]
fn real_client_python_sends_and_reads() {
    let real = Real::start();
    let script = files().join("client.py");
    let message = real.file("message", difficult());
    let ports: Vec<String> = ["smtp", "smtps", "imap", "imaps", "pop3", "pop3s"]
        .map(|listener| real.port(listener).to_string())
        .into();
    let run = |what: &str| {
        let mut command = vec!["python3", script.to_str().expect("a path"), what, &message];
        let ca = real.ca();
        command.extend([
            ca.as_str(),
            &real.device.login,
            &real.device.password,
            MAILBOX,
        ]);
        command.extend(ports.iter().map(String::as_str));
        real.run(&command, "");
    };
    run("send");
    for arrived in real.servers.dovecot.delivered("scans", 2) {
        assert_arrived(&arrived, &difficult());
    }
    real.put(&lf(&difficult()));
    run("read");
}

#[test]
fn real_client_nodemailer_and_imapflow_send_and_read() {
    let real = Real::start();
    let script = files().join("client.mjs");
    let message = real.file("message", difficult());
    let run = |what: &str, listener: &str| {
        let port = real.port(listener).to_string();
        real.run(
            &[
                "node",
                script.to_str().expect("a path"),
                what,
                &message,
                &real.ca(),
                &real.device.login,
                &real.device.password,
                MAILBOX,
                &port,
                if listener.ends_with('s') {
                    "implicit"
                } else {
                    "starttls"
                },
            ],
            "",
        );
    };
    run("send", "smtp");
    run("send", "smtps");
    for arrived in real.servers.dovecot.delivered("scans", 2) {
        assert_arrived(&arrived, &difficult());
    }
    real.put(&lf(&difficult()));
    run("read", "imap");
    run("read", "imaps");
}

/// swaks ends the message by a line end of its own.
fn without_last_line_end() -> Vec<u8> {
    let mut message = difficult();
    message.truncate(message.len() - 2);
    message
}

/// Reads a message from Dovecot itself, without Portreeve.
fn fetch_directly(real: &Real, url: &str) -> Vec<u8> {
    let token = real.servers.oidc.token(crate::real_setup::SUBJECT);
    let ca = real.servers.certificates.ca();
    let user = format!("{MAILBOX}:");
    let ca = ca.to_str().expect("a path");
    let command = [
        "curl",
        "-sS",
        "--cacert",
        ca,
        "-u",
        &user,
        "--oauth2-bearer",
        &token,
        url,
    ];
    lf(&real.run(&command, "").stdout)
}

fn only_file(folder: &str) -> Vec<u8> {
    let files: Vec<_> = fs::read_dir(folder).expect(folder).collect();
    assert_eq!(files.len(), 1, "one message in {folder}");
    fs::read(files[0].as_ref().expect("an entry").path()).expect("a message")
}

fn without_line(message: &[u8], start: &[u8]) -> Vec<u8> {
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.starts_with(start))
        .flatten()
        .copied()
        .collect()
}
