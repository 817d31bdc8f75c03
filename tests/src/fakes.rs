//! A fake Entra ID and a fake Exchange Online on loopback, both with a memory.
//!
//! They run on a runtime of their own, so tests may be plain blocking functions; dropping a fake
//! closes its ports and cuts its connections.

pub mod authority;
pub mod entra;
pub mod exchange;

pub use authority::{Authority, Certificate};
pub use entra::{Account, Call, Entra, Fault};
pub use exchange::{Exchange, Protocol, Reaction, Stage};

use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// The runtime that both fakes run on; it lives as long as the process.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fakes")
            .enable_all()
            .build()
            .expect("a runtime for the fakes")
    });
    &RUNTIME
}

/// Random bytes for codes, tokens and identifiers.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    bytes
}

/// A random identifier in the form that Microsoft prints.
pub(crate) fn guid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        number >> 96,
        (number >> 80) & 0xffff,
        (number >> 64) & 0xffff,
        (number >> 48) & 0xffff,
        number & 0xffff_ffff_ffff,
    )
}
