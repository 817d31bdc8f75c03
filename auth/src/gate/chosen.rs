//! Chosen passwords: argon2id, a few at a time.
//!
//! A person's password may be weak, so checking it is slow on purpose. What fitted once is remembered
//! (keyed, in memory), because scanners log in once per page.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use dashmap::DashMap;
use portreeve_state::DeviceId;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::gate::TurnedCause;

/// Each takes 19 MiB and some 30 ms of one core.
const AT_A_TIME: usize = 2;

/// A hash that nobody knows a password for, with the default parameters: what a login is held
/// against whose user has no slow hash.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$cG9ydHJlZXZlLW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Checks chosen passwords.
pub(crate) struct Chosen {
    workers: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: AtomicUsize,
    /// Made at start and gone with the process.
    memory_key: Option<hmac::Key>,
    fitted: DashMap<DeviceId, hmac::Tag>,
}

impl Chosen {
    pub(crate) fn new(queue: usize) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: AtomicUsize::new(0),
            queue: AtomicUsize::new(queue),
            memory_key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok(),
            fitted: DashMap::new(),
        }
    }

    pub(crate) fn set_queue(&self, queue: usize) {
        self.queue.store(queue, Ordering::Relaxed);
    }

    /// Whether the password fits; without a device it never does, at the same cost.
    pub(crate) async fn verify(
        &self,
        device: Option<(&DeviceId, &String)>,
        password: &[u8],
    ) -> Result<bool, TurnedCause> {
        let password = Zeroizing::new(as_text(password).into_owned());
        if let Some((id, hash)) = device
            && self.remembers(id, hash, &password)
        {
            return Ok(true);
        }
        let hash = device.map_or_else(|| NOBODY.to_owned(), |(_, hash)| hash.clone());
        let given = password.clone();
        let fits = self.work(move || verify(&hash, &given)).await?;
        if let Some((id, hash)) = device
            && fits
        {
            self.remember(id, hash, &password);
        }
        Ok(fits && device.is_some())
    }

    /// Hashes a new password. `None`: the system gives no random bytes.
    pub(crate) async fn hash(
        &self,
        password: &SecretString,
    ) -> Result<Option<String>, TurnedCause> {
        let password = password.clone();
        self.work(move || {
            let password = password.expose_secret().as_bytes();
            let hash = Argon2::default().hash_password(password).ok()?;
            Some(hash.to_string())
        })
        .await
    }

    /// A changed password, or a removed device.
    pub(crate) fn forget(&self, id: &DeviceId) {
        self.fitted.remove(id);
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TurnedCause> {
        let places = self.queue.load(Ordering::Relaxed).saturating_add(AT_A_TIME);
        let _place = Place::take(&self.waiting, places).ok_or(TurnedCause::Busy)?;
        let permit = Arc::clone(&self.workers).acquire_owned().await;
        // The permit goes with the job: a caller that gives up does not free a core.
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            job()
        })
        .await
        .map_err(|_| TurnedCause::Busy)
    }

    fn remembers(&self, id: &DeviceId, hash: &str, password: &str) -> bool {
        let (Some(key), Some(tag)) = (&self.memory_key, self.fitted.get(id).map(|tag| *tag)) else {
            return false;
        };
        hmac::verify(key, &memory_input(hash, password), tag.as_ref()).is_ok()
    }

    fn remember(&self, id: &DeviceId, hash: &str, password: &str) {
        if let Some(key) = &self.memory_key {
            let tag = hmac::sign(key, &memory_input(hash, password));
            self.fitted.insert(id.clone(), tag);
        }
    }
}

fn verify(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// The stored hash is part of it, so that a changed password forgets the old one.
fn memory_input(hash: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let mut input = Zeroizing::new(Vec::with_capacity(hash.len() + 1 + password.len()));
    input.extend_from_slice(hash.as_bytes());
    input.push(0);
    input.extend_from_slice(password.as_bytes());
    input
}

/// Passwords are stored as UTF-8; an old device may send Latin-1.
fn as_text(password: &[u8]) -> Cow<'_, str> {
    str::from_utf8(password).map_or_else(
        |_| Cow::Owned(password.iter().map(|byte| char::from(*byte)).collect()),
        Cow::Borrowed,
    )
}

/// A place in the bounded queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let place = Self(taken);
        (taken.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fitted_once_is_remembered_until_the_password_changes() {
        let chosen = Chosen::new(4);
        let id = DeviceId::random();
        let hash = chosen
            .hash(&"s3cret".to_owned().into())
            .await
            .unwrap()
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!chosen.remembers(&id, &hash, "s3cret"));
        assert!(chosen.verify(Some((&id, &hash)), b"s3cret").await.unwrap());
        assert!(chosen.remembers(&id, &hash, "s3cret"));
        assert!(!chosen.verify(Some((&id, &hash)), b"S3cret").await.unwrap());
        assert!(chosen.remembers(&id, &hash, "s3cret"));
        let other = chosen
            .hash(&"s3cret".to_owned().into())
            .await
            .unwrap()
            .unwrap();
        assert!(!chosen.remembers(&id, &other, "s3cret"));
        chosen.forget(&id);
        assert!(!chosen.remembers(&id, &hash, "s3cret"));
    }

    #[tokio::test]
    async fn nobody_costs_a_hash_and_never_fits() {
        assert!(
            PasswordHash::new(NOBODY).is_ok(),
            "it must parse to cost time"
        );
        assert!(!Chosen::new(4).verify(None, b"").await.unwrap());
    }

    #[tokio::test]
    async fn a_latin_1_password_fits_the_same_one_in_utf_8() {
        let chosen = Chosen::new(4);
        let id = DeviceId::random();
        let hash = chosen
            .hash(&"grün".to_owned().into())
            .await
            .unwrap()
            .unwrap();
        assert!(chosen.verify(Some((&id, &hash)), b"gr\xfcn").await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let chosen = Chosen::new(1);
        let all = Arc::clone(&chosen.workers).acquire_many_owned(2).await;
        let waiting = async { futures_join(&chosen).await };
        let outcome = tokio::select! {
            biased;
            () = waiting => panic!("nobody works"),
            outcome = async {
                tokio::task::yield_now().await;
                chosen.verify(None, b"x").await
            } => outcome,
        };
        assert_eq!(outcome, Err(TurnedCause::Busy));
        drop(all);
        assert_eq!(chosen.waiting.load(Ordering::Relaxed), 0);
    }

    /// As many callers as there are places.
    async fn futures_join(chosen: &Chosen) {
        let _ = tokio::join!(
            chosen.verify(None, b"a"),
            chosen.verify(None, b"b"),
            chosen.verify(None, b"c"),
        );
    }
}
