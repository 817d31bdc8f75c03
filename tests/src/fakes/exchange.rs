//! A fake Exchange Online: IMAP, POP3 and SMTP submission that accept nothing but XOAUTH2.
//!
//! It takes the tokens that the fake Entra issued, keeps mailboxes in memory, delivers what is sent by
//! SMTP into them, and answers with the texts that Exchange Online puts on the wire, its oddities
//! included. Tests order trouble by [`Exchange::next`] and [`Exchange::always`].
//!
//! It is no model of Exchange's inside: no rules, no quotas, no search index.

mod door;
mod imap;
mod login;
mod pop3;
mod script;
mod smtp;
mod store;
mod wire;

pub use door::Counts;
pub use script::{Protocol, Reaction, Stage};
pub use smtp::Submission;
pub use store::Stored;

use crate::fakes::{Certificate, Entra};
use door::{Door, Mode};
use login::NoRights;
use script::Script;
use smtp::Submissions;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};
use store::Store;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::fakes::{Authority, entra::Directory};

/// How long the `wait_for_…` methods wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// The running fake. Dropping it closes its ports and cuts its connections.
pub struct Exchange {
    authority: Arc<Authority>,
    site: Arc<Site>,
    addresses: Addresses,
    stop: CancellationToken,
}

/// Where the fake listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// IMAP with TLS from the first byte, as port 993.
    pub imaps: SocketAddr,
    /// IMAP with STARTTLS, as port 143.
    pub imap: SocketAddr,
    /// POP3 with TLS from the first byte, as port 995.
    pub pop3s: SocketAddr,
    /// SMTP submission with STARTTLS, as port 587.
    pub smtp: SocketAddr,
    /// SMTP submission with TLS from the first byte, as port 465 of other providers.
    pub smtps: SocketAddr,
}

/// What all connections share.
pub(crate) struct Site {
    directory: Arc<Directory>,
    store: Store,
    script: Script,
    submissions: Submissions,
    counts: door::AllCounts,
    certificate: RwLock<TlsAcceptor>,
    settings: Mutex<Settings>,
    kick: watch::Sender<Kick>,
}

#[derive(Clone)]
struct Settings {
    no_rights: NoRights,
    connection_limit: Option<(usize, Stage)>,
    hash_only: bool,
    read_pause: Duration,
    starttls: bool,
    mechanisms: &'static str,
    smtp_utf8: bool,
}

/// Words for the sessions of one mailbox, or of all, which then end.
#[derive(Clone, Default)]
struct Kick {
    mailbox: Option<String>,
    words: String,
}

impl Exchange {
    /// Starts on free ports of loopback. Every account of `entra` has a mailbox of its name.
    pub fn start(entra: &Entra) -> Self {
        let authority = entra.authority().clone();
        let acceptor = TlsAcceptor::from(authority.server(Certificate::Good));
        let site = Arc::new(Site {
            directory: entra.directory().clone(),
            store: Store::default(),
            script: Script::default(),
            submissions: Submissions::default(),
            counts: door::AllCounts::default(),
            certificate: RwLock::new(acceptor),
            settings: Mutex::new(Settings {
                no_rights: NoRights::NotConnected,
                connection_limit: None,
                hash_only: false,
                read_pause: Duration::ZERO,
                starttls: true,
                mechanisms: "LOGIN XOAUTH2",
                smtp_utf8: true,
            }),
            kick: watch::channel(Kick::default()).0,
        });
        let stop = CancellationToken::new();
        let open = |protocol, mode| Door::open(&site, protocol, mode, &stop);
        let addresses = Addresses {
            imaps: open(Protocol::Imap, Mode::Implicit),
            imap: open(Protocol::Imap, Mode::StartTls),
            pop3s: open(Protocol::Pop3, Mode::Implicit),
            smtp: open(Protocol::Smtp, Mode::StartTls),
            smtps: open(Protocol::Smtp, Mode::Implicit),
        };
        Self {
            authority,
            site,
            addresses,
            stop,
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The authority that signs its certificates.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Shows this certificate to connections from now on.
    pub fn certificate(&self, kind: Certificate) {
        let acceptor = TlsAcceptor::from(self.authority.server(kind));
        let mut held = self.site.certificate.write();
        **held.as_mut().unwrap_or_else(|poison| poison.get_mut()) = acceptor;
    }

    // Mailboxes

    /// Makes a mailbox if there is none of this address.
    pub fn mailbox(&self, address: &str) {
        self.site.store.mailbox_or_new(address);
    }

    /// Gives an account full access to a (shared) mailbox, Send As included.
    pub fn grant(&self, mailbox: &str, upn: &str) {
        self.site.store.mailbox_or_new(mailbox).grant(upn);
    }

    /// Lets a mailbox send with one more sender address.
    pub fn allow_sender(&self, mailbox: &str, sender: &str) {
        self.site.store.mailbox_or_new(mailbox).allow_sender(sender);
    }

    /// Puts a message into a mailbox's INBOX.
    pub fn deliver(&self, mailbox: &str, message: &[u8]) {
        let message = Arc::from(message);
        self.site.store.mailbox_or_new(mailbox).deliver(&message);
    }

    /// The messages of a folder, oldest first; none if there is no such folder.
    pub fn messages(&self, mailbox: &str, folder: &str) -> Vec<Stored> {
        self.site.store.mailbox_or_new(mailbox).messages(folder)
    }

    /// The messages of the INBOX.
    pub fn inbox(&self, mailbox: &str) -> Vec<Stored> {
        self.messages(mailbox, "INBOX")
    }

    // What was sent

    /// Everything that was sent by SMTP so far.
    pub fn submissions(&self) -> Vec<Submission> {
        self.site.submissions.all()
    }

    /// Waits until so many messages have been sent; gives all of them.
    pub fn wait_for_submissions(&self, count: usize) -> Vec<Submission> {
        let all = self.site.submissions.wait(count, PATIENCE);
        assert!(
            all.len() >= count,
            "the fake Exchange: {} messages came in time, not {count}",
            all.len()
        );
        all
    }

    /// Every message from now on, as it comes.
    pub fn arrivals(&self) -> mpsc::UnboundedReceiver<Submission> {
        self.site.submissions.listen()
    }

    // Behaviour

    /// The next connection that comes to this stage meets this reaction, once.
    pub fn next(&self, protocol: Protocol, stage: Stage, reaction: Reaction) {
        self.site.script.next(protocol, stage, reaction);
    }

    /// Every connection that comes to this stage meets this reaction, until [`Exchange::calm`].
    pub fn always(&self, protocol: Protocol, stage: Stage, reaction: Reaction) {
        self.site.script.always(protocol, stage, reaction);
    }

    /// No reaction is waiting any more.
    pub fn calm(&self) {
        self.site.script.calm();
    }

    /// With a token that is good but has no right to the mailbox: `true` refuses the login, `false`
    /// (as it begins, and as Exchange Online does) accepts it and fails at the first command.
    pub fn refuse_without_rights(&self, yes: bool) {
        self.site.settings().no_rights = if yes {
            NoRights::Refuse
        } else {
            NoRights::NotConnected
        };
    }

    /// At most so many SMTP sessions per mailbox, or 432. Exchange Online notices at [`Stage::Dot`].
    pub fn smtp_connection_limit(&self, limit: Option<usize>, noticed_at: Stage) {
        self.site.settings().connection_limit = limit.map(|limit| (limit, noticed_at));
    }

    /// Keeps only size and hash of what is sent by SMTP, for very large messages.
    pub fn hash_only(&self, yes: bool) {
        self.site.settings().hash_only = yes;
    }

    /// Pauses this long after every read of a message body.
    pub fn read_slowly(&self, pause: Duration) {
        self.site.settings().read_pause = pause;
    }

    /// Whether SMTP and plain IMAP offer STARTTLS.
    pub fn offer_starttls(&self, yes: bool) {
        self.site.settings().starttls = yes;
    }

    /// The mechanisms that SMTP offers after TLS, such as `LOGIN XOAUTH2` or `OAUTHBEARER`.
    pub fn smtp_mechanisms(&self, mechanisms: &'static str) {
        self.site.settings().mechanisms = mechanisms;
    }

    /// Whether SMTP offers SMTPUTF8.
    pub fn offer_smtputf8(&self, yes: bool) {
        self.site.settings().smtp_utf8 = yes;
    }

    /// Ends the IMAP sessions of a mailbox with the words that Exchange has for it.
    pub fn expire_sessions(&self, mailbox: &str) {
        self.end_sessions(mailbox, "* BYE Session invalidated - AccessTokenExpired");
    }

    /// Ends the IMAP sessions of a mailbox with these words.
    pub fn end_sessions(&self, mailbox: &str, words: &str) {
        self.site.kick.send_replace(Kick {
            mailbox: Some(mailbox.to_lowercase()),
            words: words.to_owned(),
        });
    }

    /// Cuts every connection without a word.
    pub fn cut_connections(&self) {
        self.site.counts.cut_all();
    }

    /// The counts of one protocol.
    pub fn counts(&self, protocol: Protocol) -> Counts {
        self.site.counts.of(protocol)
    }

    /// Waits until the counts of one protocol are as `wanted` says.
    pub fn wait_for_counts(&self, protocol: Protocol, wanted: impl Fn(&Counts) -> bool) -> Counts {
        self.site.counts.wait(protocol, PATIENCE, wanted)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop.cancel();
        self.site.counts.cut_all();
    }
}

impl Site {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.certificate
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
