//! Both fakes and the daemon, and a mailbox that is signed in.

use super::{Client, Portreeve, Said, Setup, plain_response};
use crate::fakes::{Entra, Exchange};

/// A login that a device uses.
#[derive(Debug, Clone)]
pub struct Device {
    /// The user name.
    pub login: String,
    /// The password.
    pub password: String,
}

/// Fakes and daemon together. Dropping it checks the log for the secrets that the fakes know.
pub struct World {
    /// The daemon; it goes before the fakes.
    pub portreeve: Portreeve,
    /// The fake Exchange Online.
    pub exchange: Exchange,
    /// The fake Entra ID.
    pub entra: Entra,
}

impl World {
    /// Starts all three with nothing special.
    pub fn start() -> Self {
        Self::with(|setup| setup)
    }

    /// Starts all three, with a changed configuration.
    pub fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::around(Entra::start(), change)
    }

    /// Starts the other two beside this Entra.
    pub fn around(entra: Entra, change: impl FnOnce(Setup) -> Setup) -> Self {
        entra.poll_interval(1);
        let exchange = Exchange::start(&entra);
        let portreeve = change(Setup::new().fakes(&entra, &exchange)).start();
        Self {
            portreeve,
            exchange,
            entra,
        }
    }

    /// Signs a mailbox in and gives it a device.
    pub fn sandboxed(&mut self, mailbox: &str) -> Device {
        self.sign_in(mailbox);
        self.device("Scanner", mailbox, &[])
    }

    /// `portreeve mailbox add`, approved at once as the mailbox itself.
    pub fn sign_in(&self, mailbox: &str) -> Said {
        self.entra.approve_all(mailbox);
        let said = self.portreeve.cli(&["mailbox", "add", mailbox]).ok();
        self.entra.approve_nothing();
        said
    }

    /// `portreeve device add`, with what else is said on the command line.
    pub fn device(&mut self, name: &str, mailbox: &str, more: &[&str]) -> Device {
        let mut arguments = vec!["device", "add", name, "--mailbox", mailbox, "--json"];
        arguments.extend(more);
        let said = self.portreeve.cli(&arguments).ok();
        self.remember(&said)
    }

    /// A device that keeps its password.
    pub fn device_with_password(
        &mut self,
        name: &str,
        mailbox: &str,
        login: &str,
        password: &str,
    ) -> Device {
        let arguments = [
            "device",
            "add",
            name,
            "--mailbox",
            mailbox,
            "--login",
            login,
            "--password-stdin",
            "--json",
        ];
        let input = format!("{password}\n");
        let said = self.portreeve.cli_with_input(&arguments, &input).ok();
        let mut device = self.remember(&said);
        password.clone_into(&mut device.password);
        self.portreeve.keep_secret(password);
        device
    }

    /// The login on a settings card in JSON; its password is a secret from now on.
    pub fn remember(&mut self, said: &Said) -> Device {
        let added = said.json();
        let text = |key: &str| added["card"][key].as_str().map(ToOwned::to_owned);
        let device = Device {
            login: text("user").unwrap_or_default(),
            password: text("password").unwrap_or_default(),
        };
        self.portreeve.keep_secret(&device.password);
        device
    }

    /// How a mailbox is, as `mailbox show --json` says it.
    pub fn state(&self, mailbox: &str) -> String {
        let shown = self.portreeve.cli(&["mailbox", "show", mailbox, "--json"]);
        let kind = &shown.ok().json()["state"]["kind"];
        kind.as_str().unwrap_or_default().to_owned()
    }

    /// Changes the configuration and reloads it.
    pub fn reconfigure(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.portreeve.configure(change);
        self.portreeve.reload().ok();
    }

    /// Stops the daemon and starts it again: what it held in memory is gone.
    pub fn restart(&mut self) {
        self.portreeve.stop();
        self.portreeve.start_again();
    }

    /// An IMAP session of this device, logged in over TLS.
    pub fn imap(&self, device: &Device) -> Client {
        let mut client = self.portreeve.connect_tls("imaps");
        client
            .expect("* OK")
            .line(&format!("a0 AUTHENTICATE PLAIN {}", device.plain()))
            .expect_until("a0 OK");
        client
    }

    /// A POP3 session of this device, logged in over TLS.
    pub fn pop3(&self, device: &Device) -> Client {
        let mut client = self.portreeve.connect_tls("pop3s");
        client
            .expect("+OK")
            .line(&format!("USER {}", device.login))
            .expect("+OK")
            .line(&format!("PASS {}", device.password))
            .expect("+OK");
        client
    }

    /// An SMTP session of this device, logged in over TLS.
    pub fn smtp(&self, device: &Device) -> Client {
        let mut client = self.portreeve.connect_tls("smtps");
        client
            .expect("220")
            .line("EHLO scanner")
            .expect("250")
            .line(&format!("AUTH PLAIN {}", device.plain()))
            .expect("235");
        client
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for secret in self.entra.secrets() {
            self.portreeve.keep_secret(&secret);
        }
    }
}

impl Device {
    /// Its response of SASL PLAIN.
    pub fn plain(&self) -> String {
        plain_response(&self.login, &self.password)
    }
}
