//! Sealing: personal attributes are ciphertext everywhere outside the process.
//!
//! Each school has a data key, wrapped by KMS with the school's id as encryption context. AES-256-GCM per attribute;
//! the associated data names the logical table, the key and the attribute, so that a sealed value moved to another
//! place does not open. Look-ups go by blind index (HMAC-SHA-256), never by plaintext. Erasing the one wrapped key makes
//! every copy of a school's data unreadable, backups included.
//!
//! Form of a sealed value: version (1 byte), key id (4), nonce (12), ciphertext and tag. Random 96-bit nonces allow
//! 2^32 values per key before the chance of a repeat reaches 2^-32; a school writes some 10^6 a year.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hmac,
};
use aws_sdk_kms::{Client, primitives::Blob, types::DataKeySpec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    id::SchoolId,
    privacy::retention::DataClass,
    random,
    store::{
        failure::describe,
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Tables},
    },
};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4;
/// How long an unwrapped key may stay in the process: the time after which an ended contract stops working everywhere.
const KEY_LIFETIME: Duration = Duration::from_mins(5);

/// Whose data a key seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// One school.
    School(SchoolId),
    /// Parent accounts and whatever belongs to no school.
    Accounts,
}

impl Domain {
    fn key(self) -> Key {
        match self {
            Self::School(school) => key::school_key(school),
            Self::Accounts => key::accounts_key(),
        }
    }

    /// The KMS encryption context: name and value.
    fn context(self) -> (&'static str, String) {
        match self {
            Self::School(school) => ("school_id", school.to_string()),
            Self::Accounts => ("domain", "accounts".to_owned()),
        }
    }
}

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no key: the school was never created, or has been erased.
    #[error("this domain has no data key")]
    NoKey,
    /// The contract has ended: the key may not be used any more.
    #[error("the data key is retired: the contract has ended")]
    Retired,
    /// KMS or the key table did not answer.
    #[error("the data key cannot be had: {0}")]
    Unavailable(String),
    /// The value was changed, moved or sealed with another key.
    #[error("a sealed value does not open here")]
    Broken,
}

impl From<StoreError> for SealError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A sealed value as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Sealed;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Sealed, E> {
                Ok(Sealed(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Sealed, E> {
                Ok(Sealed(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// Where a sealed value lies: what its associated data says.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The logical table.
    pub table: TableName,
    /// The item.
    pub key: &'a Key,
    /// The attribute.
    pub attribute: &'a str,
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        // Parts are joined by a byte that occurs in none of them.
        [self.table.word(), &self.key.pk, &self.key.sk, self.attribute].join("\0").into_bytes()
    }
}

/// An unwrapped data key. Two keys are derived from it, one to seal with and one for blind indexes, so that neither use
/// can weaken the other.
pub struct DataKey {
    id: [u8; 4],
    seal: LessSafeKey,
    blind: hmac::Key,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(***)")
    }
}

impl DataKey {
    /// From 32 secret bytes.
    ///
    /// # Panics
    /// Never: a SHA-256 tag has the length of an AES-256 key.
    pub fn new(secret: &[u8]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |label: &str| hmac::sign(&root, label.as_bytes());
        let mut id = [0; 4];
        id.copy_from_slice(&derive("bookbag id 1").as_ref()[..4]);
        let seal = UnboundKey::new(&AES_256_GCM, derive("bookbag seal 1").as_ref())
            .expect("32 bytes are an AES-256 key");
        Self {
            id,
            seal: LessSafeKey::new(seal),
            blind: hmac::Key::new(hmac::HMAC_SHA256, derive("bookbag blind 1").as_ref()),
        }
    }

    /// Seals a value for one place.
    ///
    /// # Panics
    /// When the value cannot be written as JSON: such a type is a defect.
    pub fn seal(&self, place: Place<'_>, value: &impl Serialize, nonce: [u8; NONCE_LEN]) -> Sealed {
        let mut body = serde_json::to_vec(value).expect("stored types can be written as JSON");
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data()),
                &mut body,
            )
            .expect("a body of this size can be sealed");
        let mut out = Vec::with_capacity(HEADER + NONCE_LEN + body.len());
        out.push(VERSION);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&nonce);
        out.append(&mut body);
        Sealed(out)
    }

    /// Opens a value sealed for the same place.
    pub fn open<T: DeserializeOwned>(&self, place: Place<'_>, sealed: &Sealed) -> Result<T, SealError> {
        let rest = sealed
            .0
            .strip_prefix(&[VERSION])
            .and_then(|rest| rest.strip_prefix(&self.id))
            .ok_or(SealError::Broken)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
        let mut body = body.to_vec();
        let plain = self
            .seal
            .open_in_place(nonce, Aad::from(place.associated_data()), &mut body)
            .map_err(|_| SealError::Broken)?;
        serde_json::from_slice(plain).map_err(|_| SealError::Broken)
    }

    /// A keyed hash for look-ups: the same `value` of one `kind` always gives the same text of 32 hexadecimal digits
    /// (128 bits: no two values of a school will meet).
    pub fn blind(&self, kind: &str, value: &str) -> String {
        let tag = hmac::sign(&self.blind, format!("{kind}\0{value}").as_bytes());
        hex(&tag.as_ref()[..16])
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of some bytes, in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A fresh nonce.
pub fn nonce() -> [u8; NONCE_LEN] {
    random::bytes()
}

#[derive(Debug, Serialize, Deserialize)]
struct WrappedKey {
    #[serde(skip)]
    place: Option<Domain>,
    wrapped: Sealed,
    retired: bool,
}

impl Record for WrappedKey {
    const KIND: &'static str = "data_key";
    const TABLE: TableName = TableName::Keys;
    const CLASS: DataClass = DataClass::DataKey;
    fn key(&self) -> Key {
        self.place.unwrap_or(Domain::Accounts).key()
    }
}

/// Data keys by domain, unwrapped on demand and kept for at most five minutes.
#[derive(Debug)]
pub struct Keyring {
    kms: Client,
    kms_key: String,
    tables: Tables,
    cache: Mutex<HashMap<Domain, (Arc<DataKey>, Instant)>>,
    /// Held while a key is fetched: the records of a cold batch wait for one look-up instead of making one each.
    fetching: tokio::sync::Mutex<()>,
}

impl Keyring {
    /// A keyring over the key table and one KMS key.
    pub fn new(kms: Client, kms_key: String, tables: Tables) -> Self {
        Self { kms, kms_key, tables, cache: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The key of a domain.
    pub async fn key(&self, domain: Domain) -> Result<Arc<DataKey>, SealError> {
        if let Some(key) = self.cached(domain) {
            return Ok(key);
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(key) = self.cached(domain) {
            return Ok(key);
        }
        let stored: WrappedKey = self.tables.get(domain.key()).await?.ok_or(SealError::NoKey)?;
        if stored.retired {
            return Err(SealError::Retired);
        }
        let (name, value) = domain.context();
        let plain = self
            .kms
            .decrypt()
            .key_id(&self.kms_key)
            .ciphertext_blob(Blob::new(stored.wrapped.0))
            .encryption_context(name, value)
            .send()
            .await
            .map_err(|error| SealError::Unavailable(describe(&error)))?
            .plaintext
            .ok_or(SealError::Broken)?;
        let key = Arc::new(DataKey::new(plain.as_ref()));
        self.lock().insert(domain, (key.clone(), Instant::now()));
        Ok(key)
    }

    /// Makes a domain's key if it has none. Two makers at once: one wins, the other's is forgotten unused.
    pub async fn make(&self, domain: Domain) -> Result<(), SealError> {
        if self.cached(domain).is_some() || self.tables.get::<WrappedKey>(domain.key()).await?.is_some() {
            return Ok(());
        }
        let (name, value) = domain.context();
        let made = self
            .kms
            .generate_data_key_without_plaintext()
            .key_id(&self.kms_key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(name, value)
            .send()
            .await
            .map_err(|error| SealError::Unavailable(describe(&error)))?;
        let wrapped = Sealed(made.ciphertext_blob.ok_or(SealError::Broken)?.into_inner());
        match self
            .tables
            .put(&WrappedKey { place: Some(domain), wrapped, retired: false }, Condition::Absent)
            .await
        {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn cached(&self, domain: Domain) -> Option<Arc<DataKey>> {
        let mut cache = self.lock();
        cache.retain(|_, (_, since)| since.elapsed() < KEY_LIFETIME);
        cache.get(&domain).map(|(key, _)| key.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Domain, (Arc<DataKey>, Instant)>> {
        // A panic while the lock was held leaves a cache that is still true.
        self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(pk: &str) -> Key {
        Key { pk: pk.into(), sk: "s".into() }
    }

    #[test]
    fn a_value_opens_only_in_its_own_place_with_its_own_key() {
        let (ours, theirs) = (DataKey::new(&[1; 32]), DataKey::new(&[2; 32]));
        let (here, there) = (key("a"), key("b"));
        let place = |key, attribute, table| Place { table, key, attribute };
        let sealed = ours.seal(place(&here, "x", TableName::Directory), &"secret", [9; 12]);
        assert_eq!(ours.open::<String>(place(&here, "x", TableName::Directory), &sealed).unwrap(), "secret");
        assert!(theirs.open::<String>(place(&here, "x", TableName::Directory), &sealed).is_err());
        assert!(ours.open::<String>(place(&there, "x", TableName::Directory), &sealed).is_err());
        assert!(ours.open::<String>(place(&here, "y", TableName::Directory), &sealed).is_err());
        assert!(ours.open::<String>(place(&here, "x", TableName::Messaging), &sealed).is_err());
        assert!(!sealed.0.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn blind_indexes_depend_on_key_kind_and_value() {
        let (ours, theirs) = (DataKey::new(&[1; 32]), DataKey::new(&[2; 32]));
        assert_eq!(ours.blind("dob", "2017-01-02"), ours.blind("dob", "2017-01-02"));
        assert_ne!(ours.blind("dob", "2017-01-02"), ours.blind("dob", "2017-02-01"));
        assert_ne!(ours.blind("dob", "x"), ours.blind("email", "x"));
        assert_ne!(ours.blind("dob", "x"), theirs.blind("dob", "x"));
    }

    proptest! {
        #[test]
        fn damaged_values_never_open_and_never_panic(bytes: Vec<u8>, flip in 0_usize..64) {
            let ours = DataKey::new(&[1; 32]);
            let here = key("a");
            let place = Place { table: TableName::Directory, key: &here, attribute: "x" };
            prop_assert!(ours.open::<String>(place, &Sealed(bytes)).is_err());
            let mut sealed = ours.seal(place, &"secret", [9; 12]);
            let at = flip % sealed.0.len();
            sealed.0[at] ^= 1;
            prop_assert!(ours.open::<String>(place, &sealed).is_err());
        }
    }
}
