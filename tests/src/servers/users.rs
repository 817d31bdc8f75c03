//! Who the servers run as: users of their own when the tests run as root, else the caller.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

/// Whether this process is root.
pub(crate) fn root() -> bool {
    fs::metadata("/proc/self").expect("/proc").uid() == 0
}

/// The first name if this process is root, else the caller's own.
pub(crate) fn user(as_root: &str) -> String {
    if root() {
        as_root.to_owned()
    } else {
        id("-un")
    }
}

/// The same for groups.
pub(crate) fn group(as_root: &str) -> String {
    if root() {
        as_root.to_owned()
    } else {
        id("-gn")
    }
}

/// Gives a folder away; without root it stays the caller's, who then runs the server too.
pub(crate) fn give(path: &Path, user: &str, group: &str) {
    if root() {
        let done = Command::new("chown")
            .arg(format!("{user}:{group}"))
            .arg(path)
            .status()
            .expect("chown");
        assert!(done.success(), "chown {user}:{group} {}", path.display());
    }
}

fn id(flag: &str) -> String {
    let out = Command::new("id").arg(flag).output().expect("id").stdout;
    String::from_utf8(out).expect("a name").trim().to_owned()
}
