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
    tracing::warn!(login = %credentials.login, cause = %turned.cause, "login refused");
    tokio::select! {
        () = tokio::time::sleep(turned.delay) => {}
        () = context.stop.cancelled() => {}
    }
    Err(turned_away(turned.cause, connection.session))
}

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
