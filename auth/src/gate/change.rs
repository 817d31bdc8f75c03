//! Changes: to the store first, then to memory.

use std::sync::Arc;

use portreeve_state::{
    Device, DeviceId, GrantFor, Mailbox, MailboxId, NewDevice, Password, Removed, StoreError,
};
use secrecy::{ExposeSecret, SecretString};

use crate::gate::login::UnknownProtocol;
use crate::gate::member::{Member, network};
use crate::gate::{Gate, Protocol};

/// The longest user name or mailbox address (RFC 5321 section 4.5.3.1: 64 + 1 + 255).
const NAME_LIMIT: usize = 320;

/// The longest chosen password.
const PASSWORD_LIMIT: usize = 256;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It names a protocol that does not exist.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// It names something that is no network.
    #[error("`{0}` is not a network; write 192.0.2.0/24 or a single address")]
    Network(String),
    /// It is not an address of a mailbox.
    #[error("`{0}` is not the address of a mailbox")]
    Address(String),
    /// It cannot be a user name.
    #[error("`{0}` cannot be a user name: it is empty, too long or holds control characters")]
    UserName(String),
    /// The password cannot be used.
    #[error("a chosen password has 1 to 256 bytes and no control characters")]
    Password,
    /// Whoever has no password must come from a named network.
    #[error("a device without a password needs networks: its address is its identity")]
    NeedsNetworks,
    /// A device needs somewhere to go.
    #[error("a device needs at least one mailbox")]
    NeedsMailbox,
    /// The system is at fault.
    #[error(
        "the operating system gives no random bytes, or too many passwords are checked at once"
    )]
    Hashing,
}

/// A device to be added.
#[derive(Debug, Clone)]
pub struct WantedDevice {
    /// What people call it.
    pub name: String,
    /// Its user name.
    pub login: String,
    /// Its password.
    pub password: NewPassword,
    /// Networks it may come from, as CIDRs or addresses; empty: all.
    pub networks: Vec<String>,
    /// Protocols it may use; empty: all.
    pub protocols: Vec<Protocol>,
    /// The mailboxes that it may use; the first is its default.
    pub mailboxes: Vec<MailboxId>,
}

/// Where a device's password comes from.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// Portreeve makes one.
    Generate,
    /// A person chose it, or the device keeps the one it has.
    Chosen(SecretString),
    /// The device has none; its network is its identity.
    None,
}

impl Gate {
    /// All mailboxes, by address.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.roster.mailboxes()
    }

    /// The mailbox with this address, without regard to case.
    pub fn mailbox(&self, address: &str) -> Option<Arc<Mailbox>> {
        self.roster.mailbox_by_address(address)
    }

    /// All devices, by login.
    pub fn devices(&self) -> Vec<Arc<Device>> {
        let members = self.roster.members();
        members.iter().map(|m| Arc::clone(&m.device)).collect()
    }

    /// The device with this user name, without regard to case.
    pub fn device(&self, login: &str) -> Option<Arc<Device>> {
        let member = self.roster.by_login(login)?;
        Some(Arc::clone(&member.device))
    }

    /// The mailboxes that a device may use; the first is its default.
    pub fn mailboxes_of(&self, device: &DeviceId) -> Vec<Arc<Mailbox>> {
        self.roster
            .by_id(device)
            .map(|member| member.mailboxes.clone())
            .unwrap_or_default()
    }

    /// The devices that may use a mailbox.
    pub fn devices_of(&self, mailbox: &MailboxId) -> Vec<Arc<Device>> {
        let members = self.roster.members();
        members
            .iter()
            .filter(|member| member.mailboxes.iter().any(|m| m.id == *mailbox))
            .map(|member| Arc::clone(&member.device))
            .collect()
    }

    /// Adds a mailbox, and its grant if it is a new one.
    pub async fn add_mailbox(
        &self,
        address: &str,
        grant: &GrantFor,
    ) -> Result<Arc<Mailbox>, GateError> {
        let address = address.trim();
        if !is_address(address) {
            return Err(GateError::Address(address.to_owned()));
        }
        let _one = self.changing.lock().await;
        let mailbox = Arc::new(self.store.add_mailbox(address, grant).await?);
        self.roster.put_mailbox(Arc::clone(&mailbox));
        Ok(mailbox)
    }

    /// Removes a mailbox and its bindings, and its grant if nothing else uses it.
    pub async fn remove_mailbox(&self, id: &MailboxId) -> Result<Removed, GateError> {
        let _one = self.changing.lock().await;
        let removed = self.store.remove_mailbox(id).await?;
        self.roster.remove_mailbox(id);
        Ok(removed)
    }

    /// Adds a device; a generated password is shown here and never again.
    pub async fn add_device(
        &self,
        wanted: WantedDevice,
    ) -> Result<(Arc<Device>, Option<SecretString>), GateError> {
        let login = wanted.login.trim();
        if !is_user_name(login) {
            return Err(GateError::UserName(login.to_owned()));
        }
        if let Some(bad) = wanted.networks.iter().find(|n| network(n).is_none()) {
            return Err(GateError::Network(bad.clone()));
        }
        let silent = matches!(wanted.password, NewPassword::None);
        if silent && wanted.networks.is_empty() {
            return Err(GateError::NeedsNetworks);
        }
        if wanted.mailboxes.is_empty() {
            return Err(GateError::NeedsMailbox);
        }
        let (password, shown) = self.make_password(&wanted.password).await?;
        let _one = self.changing.lock().await;
        let device = NewDevice {
            name: wanted.name.trim().to_owned(),
            login: login.to_owned(),
            password,
            networks: wanted.networks,
            protocols: wanted
                .protocols
                .iter()
                .map(|p| p.word().to_owned())
                .collect(),
        };
        let device = self.store.add_device(&device, &wanted.mailboxes).await?;
        let device = Arc::new(device);
        let mailboxes = self.named(&wanted.mailboxes);
        self.roster.put(Member::new(Arc::clone(&device), mailboxes));
        Ok((device, shown))
    }

    /// Gives a device another password; a generated one is shown here and never again.
    pub async fn set_password(
        &self,
        id: &DeviceId,
        password: NewPassword,
    ) -> Result<Option<SecretString>, GateError> {
        let silent = matches!(password, NewPassword::None);
        let (password, shown) = self.make_password(&password).await?;
        let _one = self.changing.lock().await;
        let member = self.known(id)?;
        if silent && member.device.networks.is_empty() {
            return Err(GateError::NeedsNetworks);
        }
        self.store.set_password(id, &password).await?;
        self.chosen.forget(id);
        self.replace(&member, |device| device.password = password);
        Ok(shown)
    }

    /// Lets a device log in, or not.
    pub async fn set_enabled(&self, id: &DeviceId, enabled: bool) -> Result<(), GateError> {
        let _one = self.changing.lock().await;
        let member = self.known(id)?;
        self.store.set_enabled(id, enabled).await?;
        self.replace(&member, |device| device.enabled = enabled);
        Ok(())
    }

    /// Binds a device to exactly these mailboxes; the first is its default.
    pub async fn bind(&self, id: &DeviceId, mailboxes: &[MailboxId]) -> Result<(), GateError> {
        if mailboxes.is_empty() {
            return Err(GateError::NeedsMailbox);
        }
        let _one = self.changing.lock().await;
        let member = self.known(id)?;
        self.store.bind(id, mailboxes).await?;
        self.roster
            .put(member.with_mailboxes(self.named(mailboxes)));
        Ok(())
    }

    /// Removes a device and its bindings.
    pub async fn remove_device(&self, id: &DeviceId) -> Result<(), GateError> {
        let _one = self.changing.lock().await;
        let member = self.known(id)?;
        self.store.remove_device(id).await?;
        self.roster.remove(&member.device.login);
        self.chosen.forget(id);
        Ok(())
    }

    fn known(&self, id: &DeviceId) -> Result<Arc<Member>, GateError> {
        Ok(self
            .roster
            .by_id(id)
            .ok_or(StoreError::NotFound("the device"))?)
    }

    fn named(&self, mailboxes: &[MailboxId]) -> Vec<Arc<Mailbox>> {
        mailboxes
            .iter()
            .filter_map(|id| self.roster.mailbox(id))
            .collect()
    }

    fn replace(&self, member: &Member, change: impl FnOnce(&mut Device)) {
        let mut device = Device::clone(&member.device);
        change(&mut device);
        let mailboxes = member.mailboxes.clone();
        self.roster.put(Member::new(Arc::new(device), mailboxes));
    }

    async fn make_password(
        &self,
        wanted: &NewPassword,
    ) -> Result<(Password, Option<SecretString>), GateError> {
        match wanted {
            NewPassword::None => Ok((Password::None, None)),
            NewPassword::Generate => {
                let (shown, tag) = self.generated.generate().ok_or(GateError::Hashing)?;
                Ok((Password::Generated(tag), Some(shown)))
            }
            NewPassword::Chosen(password) => {
                let text = password.expose_secret();
                if text.is_empty()
                    || text.len() > PASSWORD_LIMIT
                    || text.chars().any(char::is_control)
                {
                    return Err(GateError::Password);
                }
                let hash = self.chosen.hash(password).await;
                let hash = hash.ok().flatten().ok_or(GateError::Hashing)?;
                Ok((Password::Chosen(hash), None))
            }
        }
    }
}

/// One `@` with something on both sides; nothing that could break a protocol line.
fn is_address(text: &str) -> bool {
    let mut halves = text.split('@');
    let (local, domain, more) = (halves.next(), halves.next(), halves.next());
    is_user_name(text)
        && !text.contains(char::is_whitespace)
        && local.is_some_and(|local| !local.is_empty())
        && domain.is_some_and(|domain| !domain.is_empty())
        && more.is_none()
}

fn is_user_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_LIMIT && !text.chars().any(char::is_control)
}
