use std::io::Write;

use proptest::prelude::*;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;

/// An archive of files, in memory.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(files, CompressionMethod::Deflated)
}

fn zip_with(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in files {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// What is written into an archive under one name and called another in it: a writer that behaves refuses some names.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|part| part == from.as_bytes()) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    bytes
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    Archive::open(bytes).err()
}

#[test]
fn edge_case_64_names_that_lead_out_are_refused() {
    for name in ["../u.csv", "a/../.x", "/abs.csv", "a\\u.csvx", "C:/u.csv", "C:\\u.csv"] {
        let plain = "x".repeat(name.len());
        let bytes = renamed(&zip(&[(&plain, b"a,b\n1,2\n")]), &plain, name);
        assert_eq!(refusal(&bytes), Some(Refusal::UnsafePath), "{name}");
    }
    assert_eq!(refusal(&zip(&[("a..b.csv", b"a")])), None);
}

#[test]
fn edge_case_64_junk_is_passed_over_one_folder_tolerated_and_case_ignored() {
    let bytes = zip(&[
        ("export/Users.CSV", b"sourcedId\n"),
        ("export/orgs.csv", b"sourcedId\n"),
        ("export/.DS_Store", b"x"),
        ("__MACOSX/export/._Users.CSV", b"x"),
    ]);
    let archive = Archive::open(&bytes).unwrap();
    assert_eq!(archive.names().collect::<Vec<_>>(), ["Users.CSV", "orgs.csv"]);
    assert_eq!(archive.file("users.csv").unwrap().as_deref(), Some(&b"sourcedId\n"[..]));
    assert_eq!(archive.file("roles.csv").unwrap(), None);
    // Two folders are two exports: neither is taken for the other.
    let bytes = zip(&[("a/users.csv", b"x"), ("b/users.csv", b"x")]);
    assert_eq!(Archive::open(&bytes).unwrap().names().collect::<Vec<_>>(), ["a/users.csv", "b/users.csv"]);
}

#[test]
fn edge_case_64_an_archive_in_the_archive_is_refused_by_name_and_by_content() {
    let inner = zip(&[("users.csv", b"a")]);
    let mut tar = vec![b'x'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (name, content) in [
        ("users.zip", &b"no archive"[..]),
        ("users.csv", &inner),
        ("USERS.7Z", b""),
        ("users.csv", b"\x1f\x8b\x08"),
        ("users.csv", &tar),
    ] {
        assert_eq!(refusal(&zip(&[(name, content)])), Some(Refusal::NestedArchive), "{name}");
        assert!(Archive::of_document(&zip(&[(name, content)])).is_ok());
    }
}

#[test]
fn edge_case_64_bombs_are_refused_while_they_are_counted() {
    let blank = vec![b' '; 11 * 1024 * 1024];
    assert_eq!(refusal(&zip(&[("users.csv", &blank)])), Some(Refusal::ArchiveBomb));
    // The same bytes unpressed are a large file and nothing more.
    assert_eq!(refusal(&zip_with(&[("users.csv", &blank)], CompressionMethod::Stored)), None);
    let names: Vec<String> = (0..1001).map(|index| format!("{index}.csv")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), &b"a"[..])).collect();
    assert_eq!(refusal(&zip(&many)), Some(Refusal::ArchiveBomb));
    assert_eq!(refusal(&zip(&many[1..])), None);
}

#[test]
fn edge_case_64_a_size_that_lies_is_not_believed() {
    let blank = vec![b' '; 11 * 1024 * 1024];
    let mut bytes = zip(&[("users.csv", &blank)]);
    let size = u32::try_from(blank.len()).unwrap().to_le_bytes();
    let mut lied = 0;
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == size {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
            lied += 1;
        }
    }
    assert!(lied > 0);
    assert!(matches!(refusal(&bytes), Some(Refusal::ArchiveBomb | Refusal::UnknownArchive)));
}

#[test]
fn edge_case_65_a_password_is_named() {
    let mut bytes = zip(&[("users.csv", b"a,b")]);
    // The bit that says so, in the local header and in the directory.
    for (magic, offset) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = bytes.windows(4).position(|four| four == magic).unwrap();
        bytes[at + offset] |= 1;
    }
    assert_eq!(refusal(&bytes), Some(Refusal::Encrypted));
}

#[test]
fn kinds() {
    for (files, expected) in [
        (&[("manifest.csv", &b"propertyName,value\n"[..])][..], Some(Bundle::OneRoster)),
        (&[("Users.csv", b"\"sourcedId\",\"enabledUser\"\n")], Some(Bundle::OneRoster)),
        (&[("users.csv", b"sourcedId,username,activeDirectoryMatchId\r\n")], Some(Bundle::SchoolDataSync)),
        (&[("users.csv", b"Forename,Surname\n")], None),
        (&[("word/document.xml", b"<w/>")], None),
    ] {
        assert_eq!(kind(&Archive::open(&zip(files)).unwrap()), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_opening_panic(bytes: Vec<u8>) {
        let _ = Archive::open(&bytes);
    }

    #[test]
    fn no_damage_makes_opening_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = zip(&[("users.csv", b"sourcedId,enabledUser\n1,true\n"), ("orgs.csv", b"sourcedId\n")]);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(archive) = Archive::open(&bytes) {
            let _ = kind(&archive);
        }
    }
}
