//! The gate on a real store.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use portreeve_state::{GrantFor, KeySource, Mailbox, NewGrant};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::*;

struct House {
    gate: Gate,
    folder: TempDir,
}

async fn open(folder: &Path) -> Gate {
    let store = Store::open(&folder.join("state"), &KeySource::default()).await;
    Gate::open(store.unwrap()).await.unwrap()
}

impl House {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            gate: open(folder.path()).await,
            folder,
        }
    }

    /// The same house after a restart.
    async fn again(self) -> Self {
        let Self { gate, folder } = self;
        gate.store.clone().close().await;
        drop(gate);
        Self {
            gate: open(folder.path()).await,
            folder,
        }
    }

    async fn mailbox(&self, address: &str) -> Arc<Mailbox> {
        let grant = GrantFor::New(NewGrant {
            provider: "exchange-online".into(),
            tenant: None,
            client_id: None,
            expected_account: address.into(),
        });
        self.gate.add_mailbox(address, &grant).await.unwrap()
    }

    async fn device(&self, mailboxes: &[&Arc<Mailbox>], password: NewPassword) -> SecretString {
        let wanted = wanted(mailboxes, password);
        let (_, shown) = self.gate.add_device(wanted).await.unwrap();
        shown.unwrap_or_default()
    }

    async fn admit(&self, user: &str, password: &[u8]) -> Result<String, TurnedCause> {
        self.admit_as(user, None, password, "192.0.2.7", Protocol::Smtp)
            .await
    }

    async fn admit_as(
        &self,
        user: &str,
        authorization: Option<&str>,
        password: &[u8],
        peer: &str,
        protocol: Protocol,
    ) -> Result<String, TurnedCause> {
        let login = Login {
            user,
            authorization,
            password,
        };
        let peer: IpAddr = peer.parse().unwrap();
        let admitted = self.gate.admit(login, peer, protocol).await;
        admitted
            .map(|admitted| admitted.mailbox.address.clone())
            .map_err(|turned| turned.cause)
    }
}

fn wanted(mailboxes: &[&Arc<Mailbox>], password: NewPassword) -> WantedDevice {
    WantedDevice {
        name: "Scanner 2nd floor".into(),
        login: "Scanner-2".into(),
        password,
        networks: vec![],
        protocols: vec![],
        mailboxes: mailboxes.iter().map(|m| m.id.clone()).collect(),
    }
}

fn chosen(text: &str) -> NewPassword {
    NewPassword::Chosen(text.to_owned().into())
}

#[tokio::test]
async fn a_generated_password_opens_the_mailbox_whatever_the_case_of_the_name() {
    let house = House::new().await;
    let mailbox = house.mailbox("Scans@contoso.com").await;
    let password = house.device(&[&mailbox], NewPassword::Generate).await;
    let password = password.expose_secret().as_bytes();
    let opened = house.admit("sCANNER-2", password).await;
    assert_eq!(opened.unwrap(), "Scans@contoso.com");
    let wrong = house.admit("scanner-2", b"wrong").await;
    assert_eq!(wrong, Err(TurnedCause::WrongPassword));
    let unknown = house.admit("scanner-3", password).await;
    assert_eq!(unknown, Err(TurnedCause::UnknownLogin));
    assert_eq!(house.admit("", b"").await, Err(TurnedCause::UnknownLogin));
}

#[tokio::test]
async fn a_chosen_password_survives_a_restart_and_hides_unknown_users() {
    let house = House::new().await;
    let mailbox = house.mailbox("scans@contoso.com").await;
    house.device(&[&mailbox], chosen("grün und 17")).await;
    let house = house.again().await;
    assert!(
        house
            .admit("scanner-2", "grün und 17".as_bytes())
            .await
            .is_ok()
    );
    assert!(house.admit("scanner-2", b"gr\xfcn und 17").await.is_ok());
    let wrong = house.admit("scanner-2", b"17").await;
    assert_eq!(wrong, Err(TurnedCause::WrongPassword));
    let unknown = house.admit("nobody", b"17").await;
    assert_eq!(unknown, Err(TurnedCause::UnknownLogin));
}

#[tokio::test]
async fn changes_are_in_memory_and_in_the_store() {
    let house = House::new().await;
    let mailbox = house.mailbox("scans@contoso.com").await;
    let first = house.device(&[&mailbox], NewPassword::Generate).await;
    let device = house.gate.device("scanner-2").unwrap();
    let second = house
        .gate
        .set_password(&device.id, NewPassword::Generate)
        .await
        .unwrap()
        .unwrap();
    for house in [house.again().await] {
        let old = house.admit("scanner-2", first.expose_secret().as_bytes());
        assert_eq!(old.await, Err(TurnedCause::WrongPassword));
        let new = second.expose_secret().as_bytes();
        assert!(house.admit("scanner-2", new).await.is_ok());
        house.gate.set_enabled(&device.id, false).await.unwrap();
        assert_eq!(
            house.admit("scanner-2", new).await,
            Err(TurnedCause::Disabled)
        );
        house.gate.set_enabled(&device.id, true).await.unwrap();
        let other = house.mailbox("other@contoso.com").await;
        house
            .gate
            .bind(&device.id, std::slice::from_ref(&other.id))
            .await
            .unwrap();
        let house = house.again().await;
        let opened = house.admit("scanner-2", new).await.unwrap();
        assert_eq!(opened, "other@contoso.com");
        assert_eq!(house.gate.devices_of(&other.id).len(), 1);
        assert!(house.gate.devices_of(&mailbox.id).is_empty());
        house.gate.remove_mailbox(&other.id).await.unwrap();
        assert_eq!(
            house.admit("scanner-2", new).await,
            Err(TurnedCause::NotBound)
        );
        house.gate.remove_device(&device.id).await.unwrap();
        let gone = house.admit("scanner-2", new).await;
        assert_eq!(gone, Err(TurnedCause::UnknownLogin));
    }
}

#[tokio::test]
async fn a_changed_chosen_password_forgets_the_old_one() {
    let house = House::new().await;
    let mailbox = house.mailbox("scans@contoso.com").await;
    house.device(&[&mailbox], chosen("old")).await;
    assert!(house.admit("scanner-2", b"old").await.is_ok());
    let id = house.gate.device("scanner-2").unwrap().id.clone();
    house.gate.set_password(&id, chosen("new")).await.unwrap();
    let old = house.admit("scanner-2", b"old").await;
    assert_eq!(old, Err(TurnedCause::WrongPassword));
    assert!(house.admit("scanner-2", b"new").await.is_ok());
}

#[tokio::test]
async fn an_authorisation_identity_is_a_mailbox_that_the_device_is_bound_to() {
    let house = House::new().await;
    let own = house.mailbox("scans@contoso.com").await;
    let shared = house.mailbox("Shared@contoso.com").await;
    house.mailbox("boss@contoso.com").await;
    let password = house.device(&[&own, &shared], NewPassword::Generate).await;
    let house = &house;
    let opens = async |authorization| {
        house
            .admit_as(
                "scanner-2",
                Some(authorization),
                password.expose_secret().as_bytes(),
                "192.0.2.7",
                Protocol::Imap,
            )
            .await
    };
    assert_eq!(
        opens("shared@CONTOSO.com").await.unwrap(),
        "Shared@contoso.com"
    );
    assert_eq!(opens("Scanner-2").await.unwrap(), "scans@contoso.com");
    assert_eq!(opens("").await.unwrap(), "scans@contoso.com");
    assert_eq!(opens("boss@contoso.com").await, Err(TurnedCause::NotBound));
}

#[tokio::test]
async fn networks_and_protocols_limit_a_device() {
    let house = House::new().await;
    let mailbox = house.mailbox("scans@contoso.com").await;
    let (_, password) = house
        .gate
        .add_device(WantedDevice {
            networks: vec!["192.0.2.0/24".into(), "2001:db8::/32".into()],
            protocols: vec![Protocol::Smtp],
            ..wanted(&[&mailbox], NewPassword::Generate)
        })
        .await
        .unwrap();
    let (house, password) = (&house.again().await, password.unwrap());
    let from = async |peer, protocol| {
        let password = password.expose_secret().as_bytes();
        house
            .admit_as("scanner-2", None, password, peer, protocol)
            .await
    };
    assert!(from("192.0.2.200", Protocol::Smtp).await.is_ok());
    assert!(from("::ffff:192.0.2.200", Protocol::Smtp).await.is_ok());
    assert!(from("2001:db8::1", Protocol::Smtp).await.is_ok());
    let elsewhere = from("198.51.100.1", Protocol::Smtp).await;
    assert_eq!(elsewhere, Err(TurnedCause::NetworkNotAllowed));
    let imap = from("192.0.2.200", Protocol::Imap).await;
    assert_eq!(imap, Err(TurnedCause::ProtocolNotAllowed));
    assert!(
        house
            .gate
            .recognise("192.0.2.200".parse().unwrap(), Protocol::Smtp)
            .is_none()
    );
}

#[tokio::test]
async fn a_device_without_a_password_is_known_by_its_network_alone() {
    let house = House::new().await;
    let mailbox = house.mailbox("scans@contoso.com").await;
    let silent = || WantedDevice {
        networks: vec!["192.0.2.7".into()],
        protocols: vec![Protocol::Smtp],
        ..wanted(&[&mailbox], NewPassword::None)
    };
    let nowhere = WantedDevice {
        networks: vec![],
        ..silent()
    };
    let refused = house.gate.add_device(nowhere).await;
    assert!(matches!(refused, Err(GateError::NeedsNetworks)));
    house.gate.add_device(silent()).await.unwrap();
    let known = |peer: &str, protocol| house.gate.recognise(peer.parse().unwrap(), protocol);
    assert_eq!(
        known("192.0.2.7", Protocol::Smtp).unwrap().device.login,
        "Scanner-2"
    );
    assert!(known("::ffff:192.0.2.7", Protocol::Smtp).is_some());
    assert!(known("192.0.2.7", Protocol::Imap).is_none());
    assert!(known("192.0.2.8", Protocol::Smtp).is_none());
    // A login from there is that device too; from elsewhere no password is right.
    assert!(house.admit("scanner-2", b"anything").await.is_ok());
    let elsewhere = house.admit_as("scanner-2", None, b"", "192.0.2.8", Protocol::Smtp);
    assert_eq!(elsewhere.await, Err(TurnedCause::WrongPassword));
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_the_store() {
    let house = House::new().await;
    let mailbox = house.mailbox("scans@contoso.com").await;
    let grant = GrantFor::Shared(mailbox.grant.clone());
    for bad in ["", "scans", "@x", "x@", "a@b@c", "a b@c", "a@b\r\nc"] {
        let refused = house.gate.add_mailbox(bad, &grant).await;
        assert!(matches!(refused, Err(GateError::Address(_))), "{bad:?}");
    }
    let add = |change: fn(&mut WantedDevice)| {
        let mut device = wanted(&[&mailbox], NewPassword::Generate);
        change(&mut device);
        house.gate.add_device(device)
    };
    let name = add(|d| d.login = " \t".into()).await;
    assert!(matches!(name, Err(GateError::UserName(_))));
    let network = add(|d| d.networks = vec!["everywhere".into()]).await;
    assert!(matches!(network, Err(GateError::Network(_))));
    let mailboxes = add(|d| d.mailboxes.clear()).await;
    assert!(matches!(mailboxes, Err(GateError::NeedsMailbox)));
    for bad in ["", "a\nb", &"x".repeat(257)] {
        let device = wanted(&[&mailbox], chosen(bad));
        let refused = house.gate.add_device(device).await;
        assert!(matches!(refused, Err(GateError::Password)));
    }
    assert!(add(|_| ()).await.is_ok());
    let twice = add(|d| d.login = "SCANNER-2".into()).await;
    assert!(matches!(
        twice,
        Err(GateError::Store(StoreError::Exists(_)))
    ));
}

#[tokio::test]
async fn guesses_get_slower_and_an_address_has_a_ceiling() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("state"), &KeySource::default()).await;
    let limits = GateLimits {
        failures_per_peer: 5,
        ..GateLimits::default()
    };
    let gate = Gate::with_limits(store.unwrap(), limits).await.unwrap();
    let turned = async || {
        let login = Login {
            user: "admin",
            authorization: None,
            password: b"guess",
        };
        let peer = "192.0.2.7".parse().unwrap();
        gate.admit(login, peer, Protocol::Imap).await.unwrap_err()
    };
    let mut delays = vec![];
    for _ in 0..5 {
        let turned = turned().await;
        assert_eq!(turned.cause, TurnedCause::UnknownLogin);
        delays.push(turned.delay.as_secs());
    }
    assert_eq!(delays, [0, 1, 2, 4, 8]);
    assert_eq!(turned().await.cause, TurnedCause::TooManyFailures);
}
