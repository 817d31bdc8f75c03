//! The limit of open files: each session needs two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Listeners, database, logs and what else is open.
const BESIDES: u64 = 128;

/// Raises our limit as far as the system lets us, and says in the log if that is too little.
///
/// Most systems start a process with 1,024, for programs that still use `select`.
pub(super) fn raise_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!(%error, "the limit of open files cannot be raised");
    }
    let needed = 2 * connections as u64 + BESIDES;
    if let Some(allowed) = getrlimit(Resource::Nofile).current
        && allowed < needed
    {
        tracing::warn!(
            allowed,
            needed,
            "the system allows fewer open files than [limits] connections needs; raise LimitNOFILE or lower it",
        );
    }
}
