//! What the fake Entra remembers: accounts, codes, tokens, faults and counts.

use super::{
    fault::Fault,
    token::{Token, opaque},
    wire::Failure,
};
use crate::fakes::{guid, random};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

/// Letters and digits of user codes, as Microsoft's: no look-alikes.
const CODE_LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Refresh tokens of Entra are about this long.
const REFRESH_TOKEN_LENGTH: usize = 1100;

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The sign-in name.
    pub upn: String,
    /// The object id.
    pub oid: String,
    /// The tenant.
    pub tid: String,
}

/// The kinds of calls that are counted and can meet a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A request for a device code.
    DeviceCode,
    /// A poll of the token endpoint with a device code.
    Poll,
    /// A refresh.
    Refresh,
}

/// What can be set while the fake runs.
pub(crate) struct Settings {
    pub(super) interval: u64,
    pub(super) code_lifetime: u64,
    pub(super) token_lifetime: u64,
    pub(super) token_length: usize,
    pub(super) rotate: bool,
    pub(super) single_use: bool,
    pub(super) client_secret: Option<String>,
}

/// The memory of the fake, shared with the fake Exchange, which asks it about tokens.
pub(crate) struct Directory {
    base: String,
    tenant: String,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    changed: Condvar,
    tokens: RwLock<HashMap<String, Arc<Token>>>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<String, Account>,
    codes: Vec<Pending>,
    refresh_tokens: HashMap<String, RefreshToken>,
    faults: HashMap<Call, VecDeque<Fault>>,
    counts: HashMap<Call, usize>,
    approve_all: Option<Account>,
    secrets: Vec<String>,
}

struct Pending {
    user_code: String,
    secret: String,
    tenant: String,
    scope: String,
    expires: Instant,
    answer: Answer,
}

enum Answer {
    Waits,
    Approved(Account),
    Declined,
    Redeemed,
}

struct RefreshToken {
    account: Account,
    scope: String,
    revoked: bool,
    used: bool,
}

/// What a successful call of the token endpoint gives.
pub(super) struct Granted {
    pub(super) account: Account,
    pub(super) scope: String,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) lifetime: u64,
}

impl Directory {
    pub(super) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            tenant: guid(),
            settings: Mutex::new(Settings {
                interval: 5,
                code_lifetime: 900,
                token_lifetime: 3599,
                token_length: 1600,
                rotate: true,
                single_use: false,
                client_secret: None,
            }),
            state: Mutex::default(),
            changed: Condvar::new(),
            tokens: RwLock::default(),
        }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token behind this text, if the fake issued it and it is alive.
    pub(crate) fn token(&self, text: &str) -> Option<Arc<Token>> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens.get(text).filter(|token| token.is_alive()).cloned()
    }

    pub(super) fn account(&self, upn: &str, tenant: Option<&str>) -> Account {
        let tid = tenant.unwrap_or(&self.tenant).to_owned();
        self.state()
            .accounts
            .entry(upn.to_lowercase())
            .or_insert_with(|| Account {
                upn: upn.to_owned(),
                oid: guid(),
                tid,
            })
            .clone()
    }

    pub(super) fn accounts(&self) -> Vec<Account> {
        let mut accounts: Vec<_> = self.state().accounts.values().cloned().collect();
        accounts.sort_by(|a, b| a.upn.cmp(&b.upn));
        accounts
    }

    /// A new device code: user code and device code.
    pub(super) fn device_code(&self, tenant: &str, scope: &str) -> (String, String) {
        let lifetime = Duration::from_secs(self.settings().code_lifetime);
        let user_code: String = random::<9>()
            .into_iter()
            .map(|byte| char::from(CODE_LETTERS[usize::from(byte) % CODE_LETTERS.len()]))
            .collect();
        let device_code = opaque("DAQABIQEAAAA", 250);
        let mut state = self.state();
        state.secrets.push(user_code.clone());
        state.secrets.push(device_code.clone());
        let answer = match state.approve_all.clone() {
            Some(account) => Answer::Approved(account),
            None => Answer::Waits,
        };
        state.codes.push(Pending {
            user_code: user_code.clone(),
            secret: device_code.clone(),
            tenant: tenant.to_owned(),
            scope: scope.to_owned(),
            expires: Instant::now() + lifetime,
            answer,
        });
        self.changed.notify_all();
        (user_code, device_code)
    }

    pub(super) fn wait_for_code(&self, patience: Duration) -> Option<String> {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), patience, |state| {
                state.waiting().next().is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting().next().map(|code| code.user_code.clone())
    }

    pub(super) fn waiting_codes(&self) -> Vec<String> {
        let state = self.state();
        state.waiting().map(|code| code.user_code.clone()).collect()
    }

    pub(super) fn approve_all(&self, account: Option<Account>) {
        self.state().approve_all = account;
    }

    /// Answers a code; the error is the sentence for the person at the page.
    pub(super) fn approve(&self, user_code: &str, account: &Account) -> Result<(), String> {
        let mut state = self.state();
        let domain = account.upn.split('@').next_back().unwrap_or_default();
        let code = state
            .code(user_code)
            .ok_or("That code didn't work. Check the code and try again.")?;
        let any = ["common", "organizations"];
        if !any.contains(&code.tenant.as_str())
            && code.tenant != account.tid
            && !code.tenant.eq_ignore_ascii_case(domain)
        {
            return Err(format!(
                "AADSTS50020: User account '{}' does not exist in tenant '{}' and cannot access the \
                 application in that tenant.",
                account.upn, code.tenant
            ));
        }
        code.answer = Answer::Approved(account.clone());
        Ok(())
    }

    pub(super) fn decline(&self, user_code: &str) -> bool {
        let mut state = self.state();
        let code = state.code(user_code);
        code.map(|code| code.answer = Answer::Declined).is_some()
    }

    pub(super) fn expire_code(&self, user_code: &str) -> bool {
        let mut state = self.state();
        let code = state.code(user_code);
        code.map(|code| code.expires = Instant::now()).is_some()
    }

    /// Whether this user code waits for an answer.
    pub(super) fn waits(&self, user_code: &str) -> bool {
        self.state().code(user_code).is_some()
    }

    pub(super) fn redeem(&self, tenant: &str, device_code: &str) -> Result<Granted, Failure> {
        let mut state = self.state();
        let code = state
            .codes
            .iter_mut()
            .find(|code| code.secret == device_code && code.tenant == tenant)
            .ok_or_else(Failure::bad_code)?;
        if matches!(code.answer, Answer::Declined) {
            return Err(Failure::declined());
        }
        if matches!(code.answer, Answer::Redeemed) {
            return Err(Failure::redeemed());
        }
        if code.expires <= Instant::now() {
            return Err(Failure::expired());
        }
        let scope = code.scope.clone();
        match std::mem::replace(&mut code.answer, Answer::Redeemed) {
            Answer::Approved(account) => {
                drop(state);
                Ok(self.grant(account, scope, true))
            }
            answer => {
                code.answer = answer;
                Err(Failure::pending())
            }
        }
    }

    pub(super) fn refresh(
        &self,
        refresh_token: &str,
        scope: Option<&str>,
    ) -> Result<Granted, Failure> {
        let (rotate, single_use) = {
            let settings = self.settings();
            (settings.rotate, settings.single_use)
        };
        let mut state = self.state();
        let held = state
            .refresh_tokens
            .get_mut(refresh_token)
            .ok_or_else(Failure::unknown_refresh_token)?;
        if held.revoked {
            return Err(Failure::revoked());
        }
        if single_use && rotate && held.used {
            return Err(Failure::unknown_refresh_token());
        }
        held.used = true;
        let account = held.account.clone();
        let scope = scope.unwrap_or(&held.scope).to_owned();
        drop(state);
        Ok(self.grant(account, scope, rotate))
    }

    fn grant(&self, account: Account, scope: String, with_refresh_token: bool) -> Granted {
        let access_token = self.issue(&account, &scope);
        let refresh_token = with_refresh_token.then(|| opaque("1.AXkA", REFRESH_TOKEN_LENGTH));
        if let Some(text) = &refresh_token {
            let mut state = self.state();
            state.secrets.push(text.clone());
            state.refresh_tokens.insert(
                text.clone(),
                RefreshToken {
                    account: account.clone(),
                    scope: scope.clone(),
                    revoked: false,
                    used: false,
                },
            );
        }
        Granted {
            account,
            scope,
            access_token,
            refresh_token,
            lifetime: self.settings().token_lifetime,
        }
    }

    /// A new access token.
    pub(super) fn issue(&self, account: &Account, scope: &str) -> String {
        let (lifetime, length) = {
            let settings = self.settings();
            (settings.token_lifetime, settings.token_length)
        };
        let text = opaque("EwB", length);
        let token = Token::new(&account.upn, scope, Duration::from_secs(lifetime));
        self.state().secrets.push(text.clone());
        self.tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(text.clone(), Arc::new(token));
        text
    }

    pub(super) fn revoke_sessions(&self, upn: &str) {
        for held in self.state().refresh_tokens.values_mut() {
            held.revoked |= held.account.upn.eq_ignore_ascii_case(upn);
        }
        self.kill_access_tokens(upn);
    }

    pub(super) fn kill_access_tokens(&self, upn: &str) {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens
            .values()
            .filter(|token| token.upn.eq_ignore_ascii_case(upn))
            .for_each(|token| token.kill());
    }

    pub(super) fn next_calls(&self, call: Call, times: usize, fault: &Fault) {
        let mut state = self.state();
        let faults = state.faults.entry(call).or_default();
        faults.extend(std::iter::repeat_n(fault.clone(), times));
    }

    pub(super) fn calm(&self) {
        self.state().faults.clear();
    }

    /// Counts a call and takes the fault that waits for it.
    pub(super) fn called(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        *state.counts.entry(call).or_default() += 1;
        self.changed.notify_all();
        state.faults.get_mut(&call)?.pop_front()
    }

    pub(super) fn count(&self, call: Call) -> usize {
        self.state().counts.get(&call).copied().unwrap_or_default()
    }

    pub(super) fn wait_for_calls(&self, call: Call, times: usize, patience: Duration) -> bool {
        let (_state, waited) = self
            .changed
            .wait_timeout_while(self.state(), patience, |state| {
                state.counts.get(&call).copied().unwrap_or_default() < times
            })
            .unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.state().secrets.clone();
        secrets.extend(self.settings().client_secret.clone());
        secrets
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> impl Iterator<Item = &Pending> {
        let now = Instant::now();
        self.codes
            .iter()
            .filter(move |code| matches!(code.answer, Answer::Waits) && now < code.expires)
    }

    fn code(&mut self, user_code: &str) -> Option<&mut Pending> {
        let now = Instant::now();
        self.codes.iter_mut().find(|code| {
            code.user_code.eq_ignore_ascii_case(user_code.trim())
                && matches!(code.answer, Answer::Waits)
                && now < code.expires
        })
    }
}
