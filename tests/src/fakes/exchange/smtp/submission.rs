//! What was sent, for tests and for the sandbox.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// A message that was accepted by SMTP.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The mailbox that was logged in.
    pub mailbox: String,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Its size in octets.
    pub size: u64,
    /// SHA-256 of its bytes, dots unstuffed.
    pub sha256: [u8; 32],
    /// Its bytes, unless only hashes are kept.
    pub bytes: Option<Arc<[u8]>>,
}

impl Submission {
    /// Its text, for assertions about headers; empty if only hashes are kept.
    pub fn text(&self) -> String {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The value of its first header field of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.text()
            .split("\r\n")
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    }
}

#[derive(Default)]
pub(crate) struct Submissions {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    all: Vec<Submission>,
    listeners: Vec<mpsc::UnboundedSender<Submission>>,
}

impl Submissions {
    pub(in super::super) fn add(&self, submission: Submission) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .listeners
            .retain(|listener| listener.send(submission.clone()).is_ok());
        state.all.push(submission);
        self.changed.notify_all();
    }

    pub(in super::super) fn all(&self) -> Vec<Submission> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.all.clone()
    }

    pub(in super::super) fn wait(&self, count: usize, patience: Duration) -> Vec<Submission> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.all.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        state.all.clone()
    }

    pub(in super::super) fn listen(&self) -> mpsc::UnboundedReceiver<Submission> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.listeners.push(sender);
        receiver
    }
}
