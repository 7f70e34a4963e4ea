//! Zip archives: bounded before anything of them is used, and never unpacked to a disk.
//!
//! Every entry is inflated once while the archive is opened, and its bytes are counted: what an archive says about its own
//! sizes is never relied on. After that each of its files is known to fit.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::Refusal;

/// The most that an archive may unpack to, in bytes.
pub const MAX_UNPACKED: u64 = 200 * 1024 * 1024;
/// The most entries. An export has a dozen files, a workbook at most a few hundred parts.
const MAX_ENTRIES: usize = 1000;
/// Unpacking to more than this many times its size makes an archive a bomb ...
const MAX_RATIO: u64 = 100;
/// ... above this many bytes: small files of blanks are only that.
const RATIO_FROM: u64 = 10 * 1024 * 1024;
/// How many first bytes tell an archive in the archive: a `tar` says so at 257.
const HEAD: u64 = 262;

/// How files that are archives themselves are called, and how they begin.
const ARCHIVES: [&str; 11] =
    [".zip", ".7z", ".rar", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".cab", ".lz4"];
const MAGIC: [&[u8]; 9] = [
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"MSCF",
];

/// The bundles that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundle {
    /// `OneRoster` CSV, 1.0 to 1.2: [`super::oneroster`].
    OneRoster,
    /// Microsoft School Data Sync v2.1: [`super::sds`].
    SchoolDataSync,
}

/// A zip archive that is safe to read: it has been unpacked once, to nowhere.
#[derive(Debug)]
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Names without the folder that holds all of them, and where to find them.
    files: Vec<(String, usize)>,
}

impl<'a> Archive<'a> {
    /// Whether these bytes begin as a zip archive does.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
    }

    /// Opens an archive of an export's files.
    ///
    /// # Errors
    /// What could do harm is refused by name: [`Refusal::UnsafePath`], [`Refusal::NestedArchive`], [`Refusal::ArchiveBomb`],
    /// [`Refusal::Encrypted`]; what cannot be read, as [`Refusal::UnknownArchive`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        Self::open_with(bytes, true)
    }

    /// Opens an archive that is a document: its parts are found by exact names only, and may hold what somebody embedded.
    pub(super) fn of_document(bytes: &'a [u8]) -> Result<Self, Refusal> {
        Self::open_with(bytes, false)
    }

    /// Whether a zip archive lists a file of this name. Nothing of it is unpacked.
    pub(super) fn lists(bytes: &[u8], name: &str) -> bool {
        !Self::has_too_many(bytes)
            && ZipArchive::new(Cursor::new(bytes)).is_ok_and(|zip| zip.index_for_name(name).is_some())
    }

    /// Counted before the directory is read, so that a million entries are never listed.
    fn has_too_many(bytes: &[u8]) -> bool {
        bytes.windows(4).filter(|four| four == b"PK\x01\x02").count() > MAX_ENTRIES
    }

    fn open_with(bytes: &'a [u8], flat: bool) -> Result<Self, Refusal> {
        if Self::has_too_many(bytes) {
            return Err(Refusal::ArchiveBomb);
        }
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Refusal::UnknownArchive)?;
        if zip.has_duplicate_names() {
            return Err(Refusal::UnknownArchive);
        }
        let mut files = Vec::new();
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|_| Refusal::UnknownArchive)?;
            let name = entry.name().map_err(|_| Refusal::UnknownArchive)?;
            if flat && (leads_out(&name) || entry.is_symlink()) {
                return Err(Refusal::UnsafePath);
            }
            if entry.encrypted() {
                return Err(Refusal::Encrypted);
            }
            if !entry.is_dir() && !is_junk(&name) {
                files.push((name.into_owned(), index));
            }
        }
        let ceiling = MAX_UNPACKED.min((bytes.len() as u64).saturating_mul(MAX_RATIO).max(RATIO_FROM));
        let mut unpacked = 0;
        for (name, index) in &files {
            let mut entry = zip.by_index(*index).map_err(|_| Refusal::UnknownArchive)?;
            let mut head = Vec::new();
            entry.by_ref().take(HEAD).read_to_end(&mut head).map_err(|_| Refusal::UnknownArchive)?;
            if flat && is_archive(name, &head) {
                return Err(Refusal::NestedArchive);
            }
            unpacked += head.len() as u64;
            let mut rest = entry.take((ceiling + 1).saturating_sub(unpacked));
            unpacked +=
                std::io::copy(&mut rest, &mut std::io::sink()).map_err(|_| Refusal::UnknownArchive)?;
            if unpacked > ceiling {
                return Err(Refusal::ArchiveBomb);
            }
        }
        if flat {
            strip_folder(&mut files);
        }
        Ok(Self { zip, files })
    }

    /// The names of the files, without the folder that may hold all of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// A file by its name, compared without case.
    ///
    /// # Errors
    /// None is expected: the file has been unpacked before.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let Some((_, index)) = self.files.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        // Cheap: the bytes are borrowed and the directory is shared.
        let mut zip = self.zip.clone();
        let mut content = Vec::new();
        zip.by_index(*index)
            .map_err(|_| Refusal::UnknownArchive)?
            .take(MAX_UNPACKED)
            .read_to_end(&mut content)
            .map_err(|_| Refusal::UnknownArchive)?;
        Ok(Some(content))
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Which kind of bundle an archive holds, if it is one that is read.
///
/// The two share most names: `OneRoster` alone has a manifest, and where that was forgotten it alone says `enabledUser`.
pub fn kind(archive: &Archive<'_>) -> Option<Bundle> {
    if archive.has("manifest.csv") {
        return Some(Bundle::OneRoster);
    }
    let users = archive.file("users.csv").ok()??;
    let header = users.split(|byte| matches!(byte, b'\r' | b'\n')).next()?.to_ascii_lowercase();
    let says = |name: &str| header.windows(name.len()).any(|part| part == name.as_bytes());
    match () {
        () if says("enableduser") || says("agents") => Some(Bundle::OneRoster),
        () if says("sourcedid") => Some(Bundle::SchoolDataSync),
        () => None,
    }
}

/// Whether a name would lead out of a folder that somebody unpacks to. A backslash does on Windows.
fn leads_out(name: &str) -> bool {
    name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.as_bytes().get(1) == Some(&b':')
        || name.split('/').any(|part| part == "..")
}

/// What file managers leave behind.
fn is_junk(name: &str) -> bool {
    name.split('/').any(|part| part == "__MACOSX" || part == ".DS_Store" || part.starts_with("._"))
}

fn is_archive(name: &str, head: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    ARCHIVES.iter().any(|ending| name.ends_with(ending))
        || MAGIC.iter().any(|magic| head.starts_with(magic))
        || head.get(257..262) == Some(b"ustar")
}

/// Takes away one folder that holds every file: who zips a folder means its files.
fn strip_folder(files: &mut [(String, usize)]) {
    let Some(folder) =
        files.first().and_then(|(name, _)| name.split_once('/')).map(|(folder, _)| folder.len() + 1)
    else {
        return;
    };
    let prefix = files[0].0[..folder].to_owned();
    if files.iter().all(|(name, _)| name.starts_with(&prefix)) {
        for (name, _) in files {
            name.drain(..folder);
        }
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
pub(super) mod tests;
