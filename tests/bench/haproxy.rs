//! `HAProxy` with plain TCP in and verified TLS out.

use anyhow::{Context as _, ensure};
use portreeve_tests::servers::{Ports, Tether};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Whether TLS sessions to the upstream are resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumption {
    On,
    Off,
}

impl Resumption {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::On => "HAProxy, TLS resumed",
            Self::Off => "HAProxy, full handshakes",
        }
    }
}

/// A running `HAProxy`.
pub(crate) struct HaProxy {
    address: SocketAddr,
    id: u32,
    _tether: Tether,
    _folder: TempDir,
}

impl HaProxy {
    pub(crate) fn start(
        upstream: SocketAddr,
        authority: &Path,
        resumption: Resumption,
        sessions: usize,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("haproxy-").tempdir()?;
        let [port] = Ports::free();
        let reuse = match resumption {
            Resumption::On => "",
            Resumption::Off => " no-ssl-reuse",
        };
        let configuration = format!(
            "global\n    maxconn {maxconn}\n\
             defaults\n    mode tcp\n    timeout connect 30s\n    timeout client 1h\n    timeout server 1h\n\
             listen imap\n    bind 127.0.0.1:{port} backlog 4096\n    \
             server exchange {upstream} ssl verify required ca-file {ca} verifyhost localhost \
             sni str(localhost){reuse}\n",
            // It reserves two files for each, and refuses to start without them.
            maxconn = sessions + 50,
            ca = authority.display(),
        );
        let file = folder.path().join("haproxy.cfg");
        let pid = folder.path().join("pid");
        fs::write(&file, configuration)?;
        // It goes to the background by itself once its port is bound.
        let started = Command::new("haproxy")
            .arg("-D")
            .arg("-f")
            .arg(&file)
            .arg("-p")
            .arg(&pid)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("haproxy; ./test installs it")?;
        ensure!(started.success(), "haproxy does not start");
        Ok(Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            id: fs::read_to_string(&pid)?.trim().parse()?,
            _tether: Tether::to_pid_file(&pid),
            _folder: folder,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}
