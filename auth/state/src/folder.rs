//! The state folder: made private, checked, and locked for one process.
//!
//! The lock is the operating system's and ends with the process; the file's content only says who
//! holds it. Nothing here knows what lies in the folder.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::OpenError;

const LOCK_FILE: &str = "portreeve.lock";
/// Enough for the words of [`describe_self`].
const HOLDER_LIMIT: u64 = 200;
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const ANYTHING_FOR_OTHERS: u32 = 0o077;

/// A state folder that is ours until this value goes.
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder if need be, checks who can write it, and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        make(path)?;
        check(path)?;
        let lock = take_lock(path)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// The path of a file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a file that only its owner can read, and tightens one that exists.
    pub(crate) fn private_file(&self, name: &str) -> Result<PathBuf, OpenError> {
        let path = self.file(name);
        let file = open_private(&path).map_err(|error| failed("cannot open", &path, error))?;
        tighten(&path, &file).map_err(|error| failed("cannot protect", &path, error))?;
        Ok(path)
    }

    /// Writes a new file so that it is there whole, durably and privately, or not at all.
    pub(crate) fn create_whole(&self, name: &str, content: &[u8]) -> Result<PathBuf, OpenError> {
        let path = self.file(name);
        let temporary = self.file(&format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = open_private(&temporary)?;
            tighten(&temporary, &file)?;
            file.set_len(0)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| failed("cannot write", &path, error))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The lock goes with the file; words about a process that is gone would mislead.
        let _ = self.lock.set_len(0);
    }
}

fn make(path: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .or_else(|error| if path.exists() { Ok(()) } else { Err(error) })
        .map_err(|error| failed("cannot make the state folder", path, error))
}

fn check(path: &Path) -> Result<(), OpenError> {
    let about = fs::metadata(path)
        .map_err(|error| failed("cannot look at the state folder", path, error))?;
    let path = path.to_owned();
    if !about.is_dir() {
        return Err(OpenError::NotAFolder { path });
    }
    if about.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(OpenError::WritableByOthers { path });
    }
    Ok(())
}

fn take_lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK_FILE);
    let mut file = open_private(&path).map_err(|error| failed("cannot open", &path, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::Locked {
                path: folder.to_owned(),
                holder: holder(&mut file),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed("cannot lock", &path, error)),
    }
    // Only words for the next one who asks; a full disk must not stop a start.
    let _ = file.set_len(0);
    let _ = file.write_all(describe_self().as_bytes());
    Ok(file)
}

fn describe_self() -> String {
    let program = std::env::args().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    format!(
        "{} (process {})",
        program.to_string_lossy(),
        std::process::id()
    )
}

fn holder(file: &mut File) -> String {
    let mut words = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(HOLDER_LIMIT).read_to_string(&mut words));
    match read {
        Ok(1..) => words.chars().filter(|c| !c.is_control()).collect(),
        _ => "another process".to_owned(),
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)?;
    // Where the system forbids that, the owner's next start says so.
    let _ = give_to_owner_of_folder(path, &file);
    Ok(file)
}

/// What root's command line makes in the folder of the daemon's user belongs to that user.
fn give_to_owner_of_folder(path: &Path, file: &File) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let owner = fs::metadata(folder)?;
    let current = file.metadata()?;
    if current.len() == 0 && current.uid() != owner.uid() {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

fn tighten(path: &Path, file: &File) -> io::Result<()> {
    if file.metadata()?.mode() & ANYTHING_FOR_OTHERS != 0 {
        tracing::warn!(file = %path.display(), "the file was open to other users; its mode is now 0600");
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    Ok(())
}

pub(crate) fn failed(what: &'static str, path: &Path, error: io::Error) -> OpenError {
    OpenError::Io {
        what,
        path: path.to_owned(),
        error,
    }
}
