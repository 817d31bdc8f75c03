//! All devices and mailboxes, in memory.
//!
//! The maps are private to this file and give out `Arc`s only: no guard ever leaves it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use portreeve_state::{DeviceId, Mailbox, MailboxId, Password, Store, StoreError};

use crate::gate::member::Member;
use crate::gate::{Admitted, Login, Protocol};

/// Devices by login in lower case, mailboxes by id.
pub(crate) struct Roster {
    members: DashMap<String, Arc<Member>>,
    mailboxes: DashMap<MailboxId, Arc<Mailbox>>,
    /// Devices without a password, for [`Roster::by_network`].
    silent: RwLock<Arc<[Arc<Member>]>>,
    /// How many devices have a slow hash.
    chosen: AtomicUsize,
}

impl Roster {
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let mailboxes: DashMap<_, _> = store
            .mailboxes()
            .await?
            .into_iter()
            .map(|mailbox| (mailbox.id.clone(), Arc::new(mailbox)))
            .collect();
        let mut bound: HashMap<DeviceId, Vec<Arc<Mailbox>>> = HashMap::new();
        for binding in store.bindings().await? {
            if let Some(mailbox) = mailboxes.get(&binding.mailbox) {
                let list = bound.entry(binding.device).or_default();
                list.push(Arc::clone(&mailbox));
            }
        }
        let roster = Self {
            members: DashMap::new(),
            mailboxes,
            silent: RwLock::new(Arc::default()),
            chosen: AtomicUsize::new(0),
        };
        for device in store.devices().await? {
            let mailboxes = bound.remove(&device.id).unwrap_or_default();
            let member = Member::new(Arc::new(device), mailboxes);
            roster
                .members
                .insert(key(&member.device.login), Arc::new(member));
        }
        roster.count();
        Ok(roster)
    }

    pub(crate) fn by_login(&self, login: &str) -> Option<Arc<Member>> {
        self.members
            .get(&key(login))
            .map(|member| Arc::clone(&member))
    }

    pub(crate) fn by_network(&self, peer: IpAddr, protocol: Protocol) -> Option<Admitted> {
        let silent = Arc::clone(&self.silent.read().unwrap_or_else(PoisonError::into_inner));
        silent
            .iter()
            .filter(|member| member.is_known_by(peer))
            .find_map(|member| {
                let login = Login {
                    user: &member.device.login,
                    authorization: None,
                    password: &[],
                };
                member.admit(&login, peer, protocol).ok()
            })
    }

    pub(crate) fn any_chosen(&self) -> bool {
        self.chosen.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn by_id(&self, id: &DeviceId) -> Option<Arc<Member>> {
        self.members
            .iter()
            .find(|member| member.device.id == *id)
            .map(|member| Arc::clone(&member))
    }

    /// All devices, by login.
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        let mut all: Vec<_> = self.members.iter().map(|m| Arc::clone(&m)).collect();
        all.sort_by_cached_key(|member| key(&member.device.login));
        all
    }

    pub(crate) fn put(&self, member: Member) {
        let login = key(&member.device.login);
        self.members.insert(login, Arc::new(member));
        self.count();
    }

    pub(crate) fn remove(&self, login: &str) {
        self.members.remove(&key(login));
        self.count();
    }

    pub(crate) fn mailbox(&self, id: &MailboxId) -> Option<Arc<Mailbox>> {
        self.mailboxes.get(id).map(|mailbox| Arc::clone(&mailbox))
    }

    pub(crate) fn mailbox_by_address(&self, address: &str) -> Option<Arc<Mailbox>> {
        let wanted = key(address);
        self.mailboxes
            .iter()
            .find(|mailbox| key(&mailbox.address) == wanted)
            .map(|mailbox| Arc::clone(&mailbox))
    }

    /// All mailboxes, by address.
    pub(crate) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let mut all: Vec<_> = self.mailboxes.iter().map(|m| Arc::clone(&m)).collect();
        all.sort_by_cached_key(|mailbox| key(&mailbox.address));
        all
    }

    pub(crate) fn put_mailbox(&self, mailbox: Arc<Mailbox>) {
        self.mailboxes.insert(mailbox.id.clone(), mailbox);
    }

    /// Takes the mailbox out, and out of every device's list.
    pub(crate) fn remove_mailbox(&self, id: &MailboxId) {
        self.mailboxes.remove(id);
        for member in self.members() {
            if member.mailboxes.iter().any(|mailbox| mailbox.id == *id) {
                let mut left = member.mailboxes.clone();
                left.retain(|mailbox| mailbox.id != *id);
                self.put(member.with_mailboxes(left));
            }
        }
    }

    /// Changes are rare, logins are not: what logins need is prepared here.
    fn count(&self) {
        let members = self.members();
        let of = |wanted: fn(&Password) -> bool| {
            let members = members.iter();
            members.filter(move |member| wanted(&member.device.password))
        };
        let chosen = of(|password| matches!(password, Password::Chosen(_))).count();
        self.chosen.store(chosen, Ordering::Relaxed);
        *self.silent.write().unwrap_or_else(PoisonError::into_inner) =
            of(|password| matches!(password, Password::None))
                .cloned()
                .collect();
    }
}

/// The same folding as the store's.
fn key(text: &str) -> String {
    text.to_lowercase()
}
