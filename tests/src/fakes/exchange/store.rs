//! Mailboxes in memory: folders, messages, flags.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// Every mailbox has these folders.
const FOLDERS: [&str; 5] = ["Archive", "Drafts", "INBOX", "Sent", "Trash"];

/// All mailboxes, by address in lower case.
#[derive(Default)]
pub(super) struct Store {
    mailboxes: RwLock<HashMap<String, Arc<Mailbox>>>,
}

/// A message as a test sees it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its number in the folder.
    pub uid: u32,
    /// Its flags, such as `\Seen`.
    pub flags: BTreeSet<String>,
    /// Its bytes, as they were delivered.
    pub bytes: Arc<[u8]>,
}

impl Stored {
    /// SHA-256 of its bytes.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.bytes)
    }

    /// Its text, for assertions about headers.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// SHA-256 of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

pub(super) struct Mailbox {
    pub(super) address: String,
    /// SMTP sessions at this moment.
    pub(super) smtp_sessions: AtomicUsize,
    granted: RwLock<HashSet<String>>,
    senders: RwLock<HashSet<String>>,
    folders: Mutex<BTreeMap<String, Folder>>,
    changed: watch::Sender<u64>,
}

pub(super) struct Folder {
    pub(super) validity: u32,
    pub(super) next: u32,
    pub(super) messages: Vec<Message>,
    pub(super) subscribed: bool,
}

#[derive(Clone)]
pub(super) struct Message {
    pub(super) uid: u32,
    pub(super) flags: BTreeSet<String>,
    pub(super) date: Timestamp,
    pub(super) bytes: Arc<[u8]>,
}

impl Store {
    pub(super) fn mailbox(&self, address: &str) -> Option<Arc<Mailbox>> {
        let mailboxes = self
            .mailboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mailbox) = mailboxes.get(address) {
            return Some(mailbox.clone());
        }
        mailboxes.get(&address.to_lowercase()).cloned()
    }

    pub(super) fn mailbox_or_new(&self, address: &str) -> Arc<Mailbox> {
        if let Some(mailbox) = self.mailbox(address) {
            return mailbox;
        }
        self.mailboxes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(address.to_lowercase())
            .or_insert_with(|| Arc::new(Mailbox::new(address)))
            .clone()
    }
}

impl Mailbox {
    fn new(address: &str) -> Self {
        let folders = FOLDERS.map(|name| (name.to_owned(), Folder::new()));
        Self {
            address: address.to_owned(),
            smtp_sessions: AtomicUsize::new(0),
            granted: RwLock::default(),
            senders: RwLock::default(),
            folders: Mutex::new(folders.into()),
            changed: watch::channel(0).0,
        }
    }

    pub(super) fn grant(&self, upn: &str) {
        let mut granted = self.granted.write().unwrap_or_else(PoisonError::into_inner);
        granted.insert(upn.to_lowercase());
    }

    pub(super) fn is_granted(&self, upn: &str) -> bool {
        let granted = self.granted.read().unwrap_or_else(PoisonError::into_inner);
        granted.contains(&upn.to_lowercase())
    }

    pub(super) fn allow_sender(&self, sender: &str) {
        let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
        senders.insert(sender.to_lowercase());
    }

    pub(super) fn may_send_as(&self, sender: &str) -> bool {
        let senders = self.senders.read().unwrap_or_else(PoisonError::into_inner);
        self.address.eq_ignore_ascii_case(sender) || senders.contains(&sender.to_lowercase())
    }

    pub(super) fn deliver(&self, bytes: &Arc<[u8]>) {
        self.put("INBOX", bytes, BTreeSet::new());
    }

    /// Puts a message into a folder: its number, and the folder's validity.
    pub(super) fn put(
        &self,
        folder: &str,
        bytes: &Arc<[u8]>,
        flags: BTreeSet<String>,
    ) -> Option<(u32, u32)> {
        let numbers = self.with(folder, |folder| {
            let uid = folder.next;
            folder.next += 1;
            folder.messages.push(Message {
                uid,
                flags,
                date: Timestamp::now(),
                bytes: bytes.clone(),
            });
            (uid, folder.validity)
        });
        self.touch();
        numbers
    }

    pub(super) fn messages(&self, folder: &str) -> Vec<Stored> {
        self.with(folder, |folder| {
            folder
                .messages
                .iter()
                .map(|message| Stored {
                    uid: message.uid,
                    flags: message.flags.clone(),
                    bytes: message.bytes.clone(),
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// Works on one folder, if there is one of this name.
    pub(super) fn with<T>(&self, name: &str, work: impl FnOnce(&mut Folder) -> T) -> Option<T> {
        let name = if name.eq_ignore_ascii_case("INBOX") {
            "INBOX"
        } else {
            name
        };
        self.folders().get_mut(name).map(work)
    }

    pub(super) fn folders(&self) -> MutexGuard<'_, BTreeMap<String, Folder>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who watches that something has changed.
    pub(super) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// One more SMTP session, as long as the answer lives.
    pub(super) fn enter_smtp(self: &Arc<Self>) -> SmtpSession {
        self.smtp_sessions.fetch_add(1, Ordering::SeqCst);
        SmtpSession(self.clone())
    }
}

/// One SMTP session of a mailbox.
pub(super) struct SmtpSession(pub(super) Arc<Mailbox>);

impl Drop for SmtpSession {
    fn drop(&mut self) {
        self.0.smtp_sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Folder {
    pub(super) fn new() -> Self {
        Self {
            validity: 14,
            next: 1,
            messages: Vec::new(),
            subscribed: true,
        }
    }

    pub(super) fn by_uid(&mut self, uid: u32) -> Option<&mut Message> {
        let place = self
            .messages
            .binary_search_by_key(&uid, |message| message.uid);
        place.ok().map(|place| &mut self.messages[place])
    }
}
