//! The master key: where it comes from, and what identifies it.
//!
//! A key is made only for a store that has none; everything else that is missing, unreadable by
//! us or readable by others is refused with words.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use zeroize::{Zeroize, Zeroizing};

use super::{DerivedKey, expand};
use crate::OpenError;
use crate::folder::{Folder, failed};
use crate::id::fill_random;

const KEY_BYTES: usize = 32;
/// The hexadecimal digits and a line end, generously.
const FILE_LIMIT: u64 = 80;
/// Room for that, so that no half-grown copy of the key stays in memory.
const FILE_ROOM: usize = 128;
const ID_LABEL: &str = "portreeve vault key id 1";
const OWN_FILE: &str = "vault.key";
const CREDENTIAL: &str = "portreeve.key";
const READABLE_BY_OTHERS: u32 = 0o077;
/// systemd guards its credentials folder itself and shows its access list as group bits.
const READABLE_BY_WORLD: u32 = 0o007;

/// Where the master key is looked for, in this order; the state folder's own file comes last.
#[derive(Debug, Clone, Default)]
pub struct KeySource {
    /// The folder of systemd's credentials; used if it holds `portreeve.key`.
    pub credentials_folder: Option<PathBuf>,
    /// The file that the configuration names.
    pub configured: Option<PathBuf>,
    /// The file that the environment names.
    pub environment: Option<PathBuf>,
}

impl KeySource {
    /// Reads `CREDENTIALS_DIRECTORY` and `PORTREEVE_KEY_FILE`.
    pub fn from_environment(configured: Option<PathBuf>) -> Self {
        let variable = |name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        Self {
            credentials_folder: variable("CREDENTIALS_DIRECTORY"),
            configured,
            environment: variable("PORTREEVE_KEY_FILE"),
        }
    }

    /// The file to read, the mode bits that it must not have, and whether it is ours to make.
    fn choose(&self, folder: &Folder) -> (PathBuf, u32, bool) {
        if let Some(credentials) = &self.credentials_folder {
            let path = credentials.join(CREDENTIAL);
            if path.exists() {
                return (path, READABLE_BY_WORLD, false);
            }
        }
        match self.configured.as_ref().or(self.environment.as_ref()) {
            Some(path) => (path.clone(), READABLE_BY_OTHERS, false),
            None => (folder.file(OWN_FILE), READABLE_BY_OTHERS, true),
        }
    }
}

/// Names a key without telling anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; Self::LENGTH]);

impl KeyId {
    pub(crate) const LENGTH: usize = 8;

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut id = [0; Self::LENGTH];
        decode_hex(text.as_bytes(), &mut id).then_some(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The key that everything is derived from. No Debug, wiped when dropped.
pub(crate) struct MasterKey {
    bytes: SecretBox<[u8; KEY_BYTES]>,
    id: KeyId,
}

impl MasterKey {
    pub(super) fn new(bytes: SecretBox<[u8; KEY_BYTES]>) -> Self {
        let mut id = [0; KeyId::LENGTH];
        let derived = derive(&bytes, ID_LABEL);
        id.copy_from_slice(&derived.expose_secret()[..KeyId::LENGTH]);
        Self {
            bytes,
            id: KeyId(id),
        }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn derive(&self, label: &str) -> DerivedKey {
        derive(&self.bytes, label)
    }
}

/// Finds the key. `expected` is the id that the store was sealed with; a store without one is new.
pub(crate) fn load_or_make(
    source: &KeySource,
    folder: &Folder,
    expected: Option<KeyId>,
) -> Result<MasterKey, OpenError> {
    let (path, forbidden, own) = source.choose(folder);
    let key = match File::open(&path) {
        Ok(file) => read(file, &path, forbidden)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match expected {
            Some(expected) => {
                return Err(OpenError::KeyMissing {
                    expected,
                    searched: path.display().to_string(),
                });
            }
            None if own => make(folder)?,
            None => return Err(failed("cannot read the vault key", &path, error)),
        },
        Err(error) => return Err(failed("cannot read the vault key", &path, error)),
    };
    let found = key.id();
    match expected {
        Some(expected) if expected != found => Err(OpenError::WrongKey {
            expected,
            found,
            path,
        }),
        _ => Ok(key),
    }
}

fn read(file: File, path: &Path, forbidden: u32) -> Result<MasterKey, OpenError> {
    let unreadable = |error| failed("cannot read the vault key", path, error);
    if file.metadata().map_err(unreadable)?.mode() & forbidden != 0 {
        return Err(OpenError::KeyReadableByOthers {
            path: path.to_owned(),
        });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_ROOM));
    file.take(FILE_LIMIT)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    let mut bytes = SecretBox::new(Box::new([0; KEY_BYTES]));
    if decode_hex(text.trim_ascii(), bytes.expose_secret_mut()) {
        Ok(MasterKey::new(bytes))
    } else {
        Err(OpenError::KeyMalformed {
            path: path.to_owned(),
        })
    }
}

fn make(folder: &Folder) -> Result<MasterKey, OpenError> {
    let mut bytes = SecretBox::new(Box::new([0; KEY_BYTES]));
    fill_random(bytes.expose_secret_mut());
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_ROOM));
    for byte in bytes.expose_secret() {
        text.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
    text.push(b'\n');
    folder.create_whole(OWN_FILE, &text)?;
    Ok(MasterKey::new(bytes))
}

fn derive(master: &SecretBox<[u8; KEY_BYTES]>, label: &str) -> DerivedKey {
    let mut out = SecretBox::new(Box::new([0; 32]));
    expand(master.expose_secret(), label, out.expose_secret_mut());
    out
}

fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

/// Fills `out` exactly, or says no and leaves it wiped.
fn decode_hex(text: &[u8], out: &mut [u8]) -> bool {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let mut good = text.len() == out.len() * 2;
    for (pair, byte) in text.chunks(2).zip(out.iter_mut()) {
        match (value(pair[0]), pair.get(1).and_then(|&low| value(low))) {
            (Some(high), Some(low)) => *byte = u8::try_from(high << 4 | low).unwrap_or_default(),
            _ => good = false,
        }
    }
    if !good {
        out.zeroize();
    }
    good
}
