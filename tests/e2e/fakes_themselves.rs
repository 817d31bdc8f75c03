//! The fakes without anything between: what the other tests lean on.

use portreeve_tests::{
    fakes::{Call, Entra, Exchange, Fault, Protocol, Reaction, Stage},
    harness::Client,
};
use std::process::{Command, Output};

/// Asks the fake Entra as a client of the device flow would, by curl.
fn post(url: &str, form: &[(&str, &str)]) -> serde_json::Value {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", url]);
    for (name, value) in form {
        command.args(["--data-urlencode", &format!("{name}={value}")]);
    }
    let output = command.output().expect("curl");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("not JSON: {}", said(&output)))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

const SCOPES: &str = "https://outlook.office.com/IMAP.AccessAsUser.All \
     https://outlook.office.com/SMTP.Send offline_access openid profile";

#[test]
fn a_device_code_becomes_tokens_after_the_person_has_said_yes() {
    let entra = Entra::start();
    let device = entra.device_endpoint().replace("{tenant}", entra.tenant());
    let token = entra.token_endpoint().replace("{tenant}", entra.tenant());
    let begun = post(&device, &[("client_id", "c"), ("scope", SCOPES)]);
    let code = begun["device_code"].as_str().unwrap();
    let poll = || {
        post(
            &token,
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("client_id", "c"),
                ("device_code", code),
            ],
        )
    };
    let pending = poll();
    assert_eq!(pending["error"], "authorization_pending");
    assert_eq!(pending["error_codes"][0], 70016);
    entra.approve(begun["user_code"].as_str().unwrap(), "a@contoso.com");
    let tokens = poll();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(poll()["error_codes"][0], 54005);

    let refreshed = post(
        &token,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", "c"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ],
    );
    assert_ne!(refreshed["access_token"], tokens["access_token"]);
    assert_eq!(
        (entra.count(Call::Poll), entra.count(Call::Refresh)),
        (3, 1)
    );
}

#[test]
fn the_page_approves_and_declines() {
    let entra = Entra::start();
    entra.account("a@contoso.com");
    let device = entra.device_endpoint().replace("{tenant}", "organizations");
    let begun = post(&device, &[("client_id", "c"), ("scope", SCOPES)]);
    let code = begun["user_code"].as_str().unwrap();
    let page = |form: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", &entra.login_page()]);
        for field in form {
            command.args(["--data-urlencode", field]);
        }
        said(&command.output().expect("curl"))
    };
    assert!(page(&["code=NONSENSE1", "action=next"]).contains("Check the code and try again"));
    let code = format!("code={code}");
    assert!(page(&[&code, "action=next"]).contains("a@contoso.com"));
    let done = page(&[&code, "account=a@contoso.com", "action=approve"]);
    assert!(done.contains("You have signed in"), "{done}");
    assert!(entra.waiting_codes().is_empty());
}

#[test]
fn faults_strike_once_and_connections_can_be_cut() {
    let entra = Entra::start();
    let device = entra.device_endpoint().replace("{tenant}", "common");
    let fault = Fault::aadsts(429, "temporarily_unavailable", 90055, "Too many.")
        .header("Retry-After", "7");
    entra.next_calls(Call::DeviceCode, 1, &fault);
    entra.next_calls(Call::DeviceCode, 1, &Fault::close());
    let form = ["-d", "client_id=c", "-d", "scope=openid"];
    let ask = || {
        let output = Command::new("curl")
            .args(["-sSi", "--noproxy", "*", &device])
            .args(form)
            .output();
        said(&output.expect("curl"))
    };
    let first = ask();
    assert!(
        first.contains("429") && first.to_lowercase().contains("retry-after: 7"),
        "{first}"
    );
    assert!(first.contains("AADSTS90055"));
    assert!(ask().contains("curl: ("));
    assert!(ask().contains("user_code"));
}

#[test]
fn a_message_sent_by_smtp_is_read_by_imap_and_pop3() {
    let entra = Entra::start();
    let exchange = Exchange::start(&entra);
    exchange.mailbox("b@contoso.com");
    let response = |upn: &str, token: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(format!("user={upn}\x01auth=Bearer {token}\x01\x01"))
    };
    let trust = exchange.authority().client();
    let a = response("a@contoso.com", &entra.issue("a@contoso.com"));
    let b = response("b@contoso.com", &entra.issue("b@contoso.com"));

    let mut smtp = Client::connect(exchange.addresses().smtp).trusting(&trust);
    smtp.expect("220")
        .line("EHLO me")
        .expect("250")
        .holding("250-STARTTLS");
    smtp.line("STARTTLS").expect("220").start_tls();
    smtp.line("EHLO me")
        .expect("250")
        .holding("AUTH LOGIN XOAUTH2");
    smtp.line("AUTH XOAUTH2")
        .expect("334 ")
        .line(&a)
        .expect("235");
    smtp.line("MAIL FROM:<a@contoso.com>").expect("250");
    smtp.line("RCPT TO:<b@contoso.com>").expect("250");
    smtp.line("DATA").expect("354");
    smtp.send("Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n")
        .expect("250 2.0.0 OK");
    smtp.line("QUIT").expect("221").expect_close();

    let mut imap = Client::connect_tls(exchange.addresses().imaps, &trust);
    imap.expect("* OK")
        .line(&format!("1 AUTHENTICATE XOAUTH2 {b}"))
        .expect("1 OK");
    imap.line("2 SELECT INBOX")
        .expect_until("2 OK")
        .holding("* 1 EXISTS");
    imap.line("3 UID FETCH 1:* (FLAGS BODY.PEEK[])")
        .expect("* 1 FETCH")
        .holding("{25}");
    assert_eq!(imap.octets(25), b"Subject: x\r\n\r\n.dot\r\nend\r\n");
    imap.expect_until("3 OK").line("4 IDLE").expect("+ ");
    exchange.expire_sessions("b@contoso.com");
    imap.expect("* BYE Session invalidated - AccessTokenExpired")
        .expect_close();

    let mut pop3 = Client::connect_tls(exchange.addresses().pop3s, &trust);
    pop3.expect("+OK")
        .line("AUTH XOAUTH2")
        .expect("+")
        .line(&b)
        .expect("+OK");
    pop3.line("STAT")
        .expect("+OK 1 25")
        .line("RETR 1")
        .expect_until("end")
        .expect(".");
    pop3.line("QUIT").expect("+OK").expect_close();
    let counts = exchange.wait_for_counts(Protocol::Pop3, |counts| counts.open == 0);
    assert_eq!(
        (counts.connections, counts.logins, counts.refused),
        (1, 1, 0)
    );
}

#[test]
fn only_good_tokens_for_the_right_mailbox_open_anything() {
    let entra = Entra::start();
    let exchange = Exchange::start(&entra);
    exchange.mailbox("shared@contoso.com");
    let trust = exchange.authority().client();
    let token = entra.issue("a@contoso.com");
    let login = |user: &str, token: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let response = STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
        let mut imap = Client::connect_tls(exchange.addresses().imaps, &trust);
        imap.expect("* OK")
            .line(&format!("1 AUTHENTICATE XOAUTH2 {response}"));
        imap
    };
    login("a@contoso.com", "EwBnonsense").expect("1 NO AUTHENTICATE failed.");
    login("shared@contoso.com", &token)
        .expect("1 OK")
        .line("2 SELECT INBOX")
        .expect("2 BAD User is authenticated but not connected.")
        .expect("* BYE Connection closed. 14");
    exchange.grant("shared@contoso.com", "a@contoso.com");
    login("shared@contoso.com", &token)
        .expect("1 OK")
        .line("2 SELECT INBOX")
        .expect_until("2 OK");
    exchange.next(Protocol::Imap, Stage::Login, Reaction::challenge());
    login("a@contoso.com", &token)
        .expect("+ ")
        .line("")
        .expect("1 NO");
    entra.kill_access_tokens("a@contoso.com");
    login("a@contoso.com", &token).expect("1 NO");
}
