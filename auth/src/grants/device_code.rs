//! The device authorization grant (RFC 8628), as Entra and others really answer it.
//!
//! [`Poll`] decides, pure; [`start`] and [`ask`] are single requests. Who waits between two questions,
//! and what a token is worth, is the sign-in's business.

use std::future;
use std::time::Duration;

use oauth2::{EmptyExtraDeviceAuthorizationFields, Scope, StandardDeviceAuthorizationResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::clock::Moment;
use crate::discovery::Discovery;
use crate::entra::classify;
use crate::grants::client::{Courier, client, device_url, token_url, unwritten};
use crate::http::{Answer, Http};
use crate::loose::Text;
use crate::oauth::{Granted, Refused, TokenAnswer, refusal};
use crate::provider::Provider;
use crate::reason::{Reason, ReasonKind};

/// RFC 8628 section 3.2: 5 seconds if the answer does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// Faster than this is never asked, and slower than this is no interval.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// RFC 8628 section 3.5: what `slow_down` adds.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// Entra's codes live 15 minutes.
const DEFAULT_LIFE: Duration = Duration::from_mins(15);

/// No code is worth waiting for longer.
const LIFE_LIMIT: Duration = Duration::from_hours(24);

/// The longest wait after a failure in between.
const BACK_OFF_LIMIT: Duration = Duration::from_mins(1);

/// Longer texts are no code and no link.
const TEXT_LIMIT: usize = 2048;

/// The flow was answered in another data centre: this code never works.
const ELSEWHERE: u32 = 50134;

/// What the person sees, and what we ask with.
#[derive(Debug)]
pub(crate) struct DeviceCode {
    pub(crate) secret: SecretString,
    pub(crate) user_code: String,
    pub(crate) link: String,
    pub(crate) interval: Duration,
    pub(crate) life: Duration,
}

/// One request for a code.
pub(crate) async fn start(
    http: &Http,
    discovery: &Discovery,
    provider: &Provider,
) -> Result<DeviceCode, Reason> {
    let endpoints = discovery.endpoints(provider).await?;
    let endpoint = endpoints.device_authorization.ok_or_else(|| {
        Reason::new(
            ReasonKind::AdminMustFix,
            format!(
                "Provider {} offers no device code flow. Set its device-authorization-endpoint.",
                provider.name
            ),
        )
    })?;
    let client = client(provider)?.set_device_authorization_url(device_url(&endpoint)?);
    let request = client.exchange_device_code();
    let request = request.add_scope(Scope::new(provider.scope()));
    let courier = Courier::new(http);
    let _ = request
        .request_async::<_, EmptyExtraDeviceAuthorizationFields>(&courier)
        .await;
    let answer = courier.answer()?;
    read_start(&answer)
}

/// One question whether somebody signed in.
pub(crate) async fn ask(
    http: &Http,
    discovery: &Discovery,
    provider: &Provider,
    device_code: &SecretString,
) -> Result<TokenAnswer, Reason> {
    let endpoints = discovery.endpoints(provider).await?;
    let client = client(provider)?.set_token_uri(token_url(&endpoints)?);
    let details = details(device_code)?;
    let request = client.exchange_device_access_token(&details);
    let courier = Courier::new(http);
    // Its clock stands still and it never waits: the courier's empty answer ends it after one question.
    let _ = request
        .set_time_fn(Default::default)
        .request_async(&courier, |_| future::ready(()), None)
        .await;
    let answer = courier.answer()?;
    Ok(TokenAnswer::read(&answer))
}

/// What the crate asks with. It wants the whole answer of the start; only the code goes into a question.
fn details(device_code: &SecretString) -> Result<StandardDeviceAuthorizationResponse, Reason> {
    serde_json::from_value(json!({
        "device_code": device_code.expose_secret(),
        "user_code": "",
        "verification_uri": "https://localhost",
        "expires_in": 1,
    }))
    .map_err(|_| unwritten())
}

/// The rhythm of questions; pure.
#[derive(Debug)]
pub(crate) struct Poll {
    interval: Duration,
    expires: Moment,
    failures: u32,
}

/// What to do after an answer.
#[derive(Debug)]
pub(crate) enum Next {
    Wait(Duration),
    Granted(Granted),
    Ended(Reason),
}

impl Poll {
    pub(crate) fn new(interval: Duration, expires: Moment) -> Self {
        Self {
            interval: interval.clamp(INTERVALS.0, INTERVALS.1),
            expires,
            failures: 0,
        }
    }

    /// The wait before the first question: nobody signs in within a blink.
    pub(crate) fn first(&self) -> Duration {
        self.interval
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    pub(crate) fn answered(&mut self, answer: Result<TokenAnswer, Reason>, now: Moment) -> Next {
        match answer {
            Ok(TokenAnswer::Granted(granted)) => Next::Granted(granted),
            Ok(TokenAnswer::Refused(refused)) => self.refused(&refused, now),
            Err(reason) if reason.is_transient() => self.back_off(reason.retry_after, now),
            Err(reason) => Next::Ended(reason),
        }
    }

    fn refused(&mut self, refused: &Refused, now: Moment) -> Next {
        match refused.error.as_str() {
            "authorization_pending" => {
                self.failures = 0;
                return self.wait(self.interval, now);
            }
            "slow_down" => {
                self.interval = (self.interval + SLOW_DOWN).min(INTERVALS.1);
                return self.wait(self.interval, now);
            }
            _ => {}
        }
        let reason = classify(refused);
        if reason.is_transient() && reason.code != Some(ELSEWHERE) {
            return self.back_off(reason.retry_after, now);
        }
        Next::Ended(reason)
    }

    /// RFC 8628 section 3.5: on time-outs, wait longer and longer, until the code ends.
    fn back_off(&mut self, asked: Option<Duration>, now: Moment) -> Next {
        self.failures = self.failures.saturating_add(1);
        let doubled = self.interval * (1 << self.failures.min(6));
        let own = doubled.min(BACK_OFF_LIMIT).max(self.interval);
        self.wait(asked.unwrap_or_default().max(own), now)
    }

    fn wait(&self, wait: Duration, now: Moment) -> Next {
        if self.expires.left(now).is_zero() {
            return Next::Ended(expired());
        }
        Next::Wait(wait)
    }
}

pub(crate) fn expired() -> Reason {
    Reason::new(
        ReasonKind::NeedsSignIn,
        "The sign-in code expired. Start the sign-in again.",
    )
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    device_code: Text,
    user_code: Text,
    verification_uri: Text,
    /// The name before RFC 8628; Google and Entra's v1 endpoint.
    verification_url: Text,
    verification_uri_complete: Text,
    interval: Text,
    expires_in: Text,
}

fn read_start(answer: &Answer) -> Result<DeviceCode, Reason> {
    // Entra may send an error with status 200 here.
    if let Some(refused) = refusal(answer) {
        return Err(classify(&refused));
    }
    let strange = || {
        Reason::new(
            ReasonKind::TryLater,
            "The sign-in service sent no usable device code. Check the provider's endpoints.",
        )
    };
    let fields: Fields = serde_json::from_slice(&answer.body).map_err(|_| strange())?;
    let link = [
        fields.verification_uri_complete,
        fields.verification_uri,
        fields.verification_url,
    ]
    .into_iter()
    .find_map(|link| link.0.filter(|link| is_link(link)));
    Ok(DeviceCode {
        secret: fields
            .device_code
            .0
            .filter(|code| !code.is_empty())
            .map(Into::into)
            .ok_or_else(strange)?,
        user_code: fields
            .user_code
            .0
            .filter(|code| is_plain(code))
            .ok_or_else(strange)?,
        link: link.ok_or_else(strange)?,
        interval: seconds(&fields.interval)
            .unwrap_or(DEFAULT_INTERVAL)
            .clamp(INTERVALS.0, INTERVALS.1),
        life: seconds(&fields.expires_in)
            .unwrap_or(DEFAULT_LIFE)
            .min(LIFE_LIMIT),
    })
}

fn seconds(text: &Text) -> Option<Duration> {
    let seconds: f64 = text.0.as_deref()?.trim().parse().ok()?;
    (seconds >= 1.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(LIFE_LIMIT))
}

/// It is printed on a terminal and on a page: nothing but a web address.
fn is_link(text: &str) -> bool {
    is_plain(text) && (text.starts_with("https://") || text.starts_with("http://"))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_LIMIT && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
