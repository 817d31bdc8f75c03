//! A settings card as text.

use super::table::facts;
use crate::control::card::Card;

/// The card as it is printed, ready to be copied onto a panel.
pub(super) fn text(card: &Card) -> String {
    let mut text = String::new();
    for server in &card.servers {
        let host = match server.address {
            Some(address) => format!("{} (or {address})", server.host),
            None => server.host.clone(),
        };
        text.extend([&server.protocol, " server\n"]);
        let lines = facts(&[
            ("Host", host),
            ("Port", server.port.to_string()),
            ("Encryption", server.encryption.clone()),
        ]);
        text.push_str(&indented(&lines));
    }
    let mut login = Vec::new();
    if let Some(user) = &card.user {
        login.push(("User name", user.clone()));
        let password = match &card.password {
            Some(password) => password.expose().to_owned(),
            None => "the one that the device has (`portreeve device new-password` makes a new one)"
                .to_owned(),
        };
        login.push(("Password", password));
    }
    if !login.is_empty() {
        text.push_str("Login\n");
        text.push_str(&indented(&facts(&login)));
    }
    for remark in &card.remarks {
        text.extend(["\n", &wrap(remark), "\n"]);
    }
    text
}

fn indented(lines: &str) -> String {
    lines
        .split_inclusive('\n')
        .flat_map(|line| ["  ", line])
        .collect()
}

/// Breaks a remark into lines that a terminal shows whole.
fn wrap(remark: &str) -> String {
    const WIDTH: usize = 96;
    let mut lines: Vec<String> = vec![String::new()];
    for word in remark.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Password, card::Server};

    #[test]
    fn a_card_for_a_scanner() {
        let card = Card {
            user: Some("scanner-2nd-floor".into()),
            password: Some(Password::from("abcd-efgh-jkmn-pqrs".to_owned())),
            servers: vec![
                Server {
                    protocol: "SMTP".into(),
                    host: "gw.contoso.lan".into(),
                    address: Some([10, 1, 2, 3].into()),
                    port: 1587,
                    encryption: "STARTTLS".into(),
                },
                Server {
                    protocol: "IMAP".into(),
                    host: "gw.contoso.lan".into(),
                    address: None,
                    port: 1993,
                    encryption: "SSL/TLS".into(),
                },
            ],
            remarks: vec!["Mind the certificate.".into()],
        };
        assert_eq!(
            text(&card),
            "\
SMTP server
  Host:        gw.contoso.lan (or 10.1.2.3)
  Port:        1587
  Encryption:  STARTTLS
IMAP server
  Host:        gw.contoso.lan
  Port:        1993
  Encryption:  SSL/TLS
Login
  User name:  scanner-2nd-floor
  Password:   abcd-efgh-jkmn-pqrs

Mind the certificate.
"
        );
    }

    #[test]
    fn remarks_are_broken_between_words() {
        let text = wrap(&"word ".repeat(50));
        assert!(text.lines().all(|line| line.len() <= 96));
        assert_eq!(text.split_whitespace().count(), 50);
    }
}
