//! The device authorization grant (RFC 8628), as Entra and others really answer it.
//!
//! [`Poll`] decides, pure; [`start`] and [`ask`] are single requests. Who waits between two questions,
//! and what a token is worth, is the sign-in's business.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::clock::Moment;
use crate::discovery::Discovery;
use crate::entra::{classify, unreachable};
use crate::grants::refresh::client_fields;
use crate::http::{Answer, Http};
use crate::oauth::{Granted, Refused, Text, TokenAnswer, refusal};
use crate::provider::Provider;
use crate::reason::{Reason, ReasonKind};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

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
    let scope = provider.scope();
    let mut fields = client_fields(provider)?;
    fields.push(("scope", &scope));
    let answer = http
        .post_form(&endpoint, &fields)
        .await
        .map_err(|error| unreachable(&error))?;
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
    let mut fields = client_fields(provider)?;
    fields.push(("grant_type", GRANT_TYPE));
    fields.push(("device_code", device_code.expose_secret()));
    let answer = http
        .post_form(&endpoints.token, &fields)
        .await
        .map_err(|error| unreachable(&error))?;
    Ok(TokenAnswer::read(&answer))
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
mod tests {
    use super::*;
    use crate::clock::Clock;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    fn refused(status: u16, error: &str, codes: &[u32]) -> TokenAnswer {
        TokenAnswer::Refused(Refused {
            status,
            error: error.into(),
            codes: codes.into(),
            ..Refused::default()
        })
    }

    fn poll(now: Moment) -> Poll {
        Poll::new(Duration::from_secs(5), now.after(Duration::from_mins(15)))
    }

    fn wait(next: Next) -> u64 {
        match next {
            Next::Wait(wait) => wait.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    fn ended(next: Next) -> Reason {
        match next {
            Next::Ended(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn microsofts_answer_and_looser_ones() {
        let code = read_start(&answer(200, r#"{"user_code":"FXLMB3C4X","device_code":"dc","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"To sign in"}"#)).unwrap();
        assert_eq!(code.user_code, "FXLMB3C4X");
        assert_eq!(code.link, "https://microsoft.com/devicelogin");
        assert_eq!(code.interval, Duration::from_secs(5));
        assert_eq!(code.life, Duration::from_mins(15));
        let code = read_start(&answer(200, r#"{"user_code":"A","device_code":"dc","verification_url":"https://example.com/d","expires_in":"600","interval":"7"}"#)).unwrap();
        assert_eq!((code.interval.as_secs(), code.life.as_secs()), (7, 600));
        let code = read_start(&answer(200, r#"{"user_code":"A","device_code":"dc","verification_uri":"https://e.com","verification_uri_complete":"https://e.com?c=A","interval":0}"#)).unwrap();
        assert_eq!((code.interval.as_secs(), code.life.as_secs()), (5, 900));
        assert_eq!(code.link, "https://e.com?c=A");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let reason = |status, body: &str| read_start(&answer(status, body)).unwrap_err();
        let scope = reason(
            200,
            r#"{"error":"invalid_scope","error_description":"AADSTS70011: bad"}"#,
        );
        assert_eq!(scope.kind, ReasonKind::AdminMustFix);
        assert_eq!(scope.code, Some(70011));
        assert!(reason(503, "<html>").is_transient());
        assert!(reason(200, "{}").is_transient());
        let evil =
            r#"{"user_code":"A\u001b[2J","device_code":"d","verification_uri":"https://e.com"}"#;
        assert!(reason(200, evil).is_transient());
        let evil =
            r#"{"user_code":"A","device_code":"d","verification_uri":"javascript:alert(1)"}"#;
        assert!(reason(200, evil).is_transient());
    }

    #[test]
    fn slow_down_adds_five_seconds_each_time() {
        let now = Clock::manual().now();
        let mut poll = poll(now);
        let waits: Vec<u64> = (0..4)
            .map(|_| wait(poll.answered(Ok(refused(400, "slow_down", &[])), now)))
            .collect();
        assert_eq!(waits, [10, 15, 20, 25]);
        let pending = refused(400, "authorization_pending", &[70016]);
        assert_eq!(wait(poll.answered(Ok(pending), now)), 25);
    }

    #[test]
    fn failures_in_between_back_off_and_go_on() {
        let now = Clock::manual().now();
        let mut poll = poll(now);
        let lost = || Err(Reason::new(ReasonKind::TryLater, "lost"));
        assert_eq!(wait(poll.answered(lost(), now)), 10);
        assert_eq!(wait(poll.answered(Ok(refused(503, "", &[])), now)), 20);
        assert_eq!(
            wait(poll.answered(Ok(refused(429, "x", &[50196])), now)),
            40
        );
        assert_eq!(wait(poll.answered(Ok(refused(400, "", &[])), now)), 60);
        let pending = refused(400, "authorization_pending", &[70016]);
        assert_eq!(wait(poll.answered(Ok(pending), now)), 5);
        assert_eq!(wait(poll.answered(lost(), now)), 10);
        let throttled = Ok(TokenAnswer::Refused(Refused {
            status: 429,
            retry_after: Some(Duration::from_secs(90)),
            ..Refused::default()
        }));
        assert_eq!(wait(poll.answered(throttled, now)), 90);
    }

    #[test]
    fn each_end_has_its_sentence() {
        let now = Clock::manual().now();
        for (error, codes, words) in [
            ("authorization_declined", &[][..], "declined"),
            ("access_denied", &[], "declined"),
            ("expired_token", &[70019], "expired"),
            ("bad_verification_code", &[], "does not know this code"),
            ("access_denied", &[53003], "Conditional Access"),
            ("invalid_grant", &[530_036], "device code flow"),
            ("invalid_client", &[7_000_218], "public client flows"),
            ("server_error", &[50134], "Start the sign-in again"),
        ] {
            let reason = ended(poll(now).answered(Ok(refused(400, error, codes)), now));
            assert!(reason.advice.contains(words), "{error}: {reason}");
        }
    }

    #[test]
    fn a_code_ends_by_our_clock_too() {
        let now = Clock::manual().now();
        let later = now.after(Duration::from_mins(15));
        let pending = refused(400, "authorization_pending", &[70016]);
        assert!(
            ended(poll(now).answered(Ok(pending), later))
                .advice
                .contains("expired")
        );
    }

    proptest! {
        /// Never faster than the interval, whatever comes.
        #[test]
        fn the_service_is_never_hurried(answers in proptest::collection::vec(0u8..5, 1..60)) {
            let mut now = Clock::manual().now();
            let mut poll = poll(now);
            let mut least = Duration::from_secs(5);
            for kind in answers {
                let answer = match kind {
                    0 => Ok(refused(400, "authorization_pending", &[70016])),
                    1 => Ok(refused(400, "slow_down", &[])),
                    2 => Ok(refused(503, "", &[])),
                    3 => Ok(refused(429, "slow_down", &[50196])),
                    _ => Err(Reason::new(ReasonKind::TryLater, "lost")),
                };
                if matches!(kind, 1 | 3) {
                    least += SLOW_DOWN;
                }
                match poll.answered(answer, now) {
                    Next::Wait(wait) => {
                        prop_assert!(wait >= least.min(INTERVALS.1));
                        now = now.after(wait);
                    }
                    Next::Ended(reason) => {
                        prop_assert_eq!(reason, expired());
                        break;
                    }
                    Next::Granted(_) => unreachable!(),
                }
            }
        }

        #[test]
        fn no_answer_panics(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let answer = Answer { status, retry_after: None, body: Zeroizing::new(body) };
            let _ = read_start(&answer);
        }
    }
}
