//! The local login: who is this device, and what does it hear if it cannot be served.

use portreeve_auth::{Admitted, Login, TurnedCause};
use portreeve_protocols::{Credentials, Denial, DenialKind};

use super::Context;
use crate::{
    door::{Connection, SessionId},
    upstream::Failure,
};

/// Asks the gate; a device that is turned away waits its delay here, before it hears of it.
pub(super) async fn admit(
    context: &Context,
    credentials: &Credentials,
    connection: &Connection,
) -> Result<Admitted, Denial> {
    let login = Login {
        user: &credentials.login,
        authorization: credentials.authorization.as_deref(),
        password: credentials.password(),
    };
    let protocol = connection.listener.protocol;
    let turned = match context
        .gate
        .admit(login, connection.peer.ip(), protocol)
        .await
    {
        Ok(admitted) => {
            if !connection.stream.is_encrypted() {
                tracing::warn!(device = %admitted.device.name, "a password was taken without TLS");
            }
            return Ok(admitted);
        }
        Err(turned) => turned,
    };
    tracing::warn!(login = shown(&credentials.login), cause = %turned.cause, "login refused");
    tokio::select! {
        () = tokio::time::sleep(turned.delay) => {}
        () = context.stop.cancelled() => {}
    }
    Err(turned_away(turned.cause, connection.session))
}

/// A name from a stranger, made fit for one line of the log.
fn shown(login: &str) -> String {
    login
        .chars()
        .take(LOGIN_CHARS_LOGGED)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// So much of a refused login name is logged: what RFC 5321 section 4.5.3.1.3 allows an address.
const LOGIN_CHARS_LOGGED: usize = 254;

/// The words for a login that the gate turned away. They never tell which part was wrong.
fn turned_away(cause: TurnedCause, session: SessionId) -> Denial {
    let (kind, words) = match cause {
        TurnedCause::TooManyFailures => (
            DenialKind::TooManyFailures,
            "Too many failed logins from this address; wait a few minutes, then check the password",
        ),
        TurnedCause::Busy => (
            DenialKind::TryLater,
            "Too many logins at this moment; try again later",
        ),
        _ => (
            DenialKind::WrongLogin,
            "User name or password is wrong, or not allowed here; check this device's settings",
        ),
    };
    Denial::new(kind, &format!("{words} (session {session})"))
}

/// The words for a device whose own login was right, but which cannot be served; the log gets the
/// rest of it.
pub(super) fn unserved(failure: &Failure, admitted: &Admitted, session: SessionId) -> Denial {
    log(failure, admitted);
    Denial::new(
        failure.denial(),
        &format!("{} (session {session})", failure.for_device()),
    )
}

/// Why a device cannot be served, in full, for the admin.
pub(super) fn log(failure: &Failure, admitted: &Admitted) {
    tracing::warn!(
        device = %admitted.device.name,
        mailbox = %admitted.mailbox.address,
        cause = %failure,
        "the mailbox cannot be used",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_name_cannot_forge_a_line_of_the_log() {
        assert_eq!(
            shown("evil\r\n2026 INFO all is well\x1b[2J\0"),
            "evil??2026 INFO all is well?[2J?"
        );
        assert_eq!(shown(&"x".repeat(12_288)).len(), LOGIN_CHARS_LOGGED);
        assert_eq!(shown("jürgen@contoso.com"), "jürgen@contoso.com");
    }
}
