//! Objects in S3: uploads in, reports out. Keys hold ids only.

use std::{fmt::Display, time::Duration};

use aws_sdk_s3::{
    Client,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::{Delete, ObjectIdentifier},
};

use crate::{
    id::{SchoolId, UploadId},
    store::failure::describe,
};

/// The content type that a presigned upload is signed for.
pub const UPLOAD_CONTENT_TYPE: &str = "text/csv";

/// Storage of objects did not answer. Safe to try again.
#[derive(Debug, thiserror::Error)]
#[error("{action} failed: {detail}")]
pub struct ObjectError {
    action: &'static str,
    detail: String,
}

impl ObjectError {
    fn new(action: &'static str, detail: &impl Display) -> Self {
        Self { action, detail: detail.to_string() }
    }
}

/// What was found at a key.
#[derive(Debug)]
pub struct Object {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The stored content type.
    pub content_type: Option<String>,
}

/// A request that somebody else may make once, for a while.
#[derive(Clone, Debug)]
pub struct Presigned {
    /// The address.
    pub url: String,
    /// Headers that must be sent as they are: they are signed.
    pub headers: Vec<(String, String)>,
}

/// The key of an uploaded file.
pub fn upload_key(school: SchoolId, upload: UploadId) -> String {
    format!("uploads/{school}/{upload}")
}

/// The key of an upload's report, without its extension.
pub fn report_key(school: SchoolId, upload: UploadId) -> String {
    format!("reports/{school}/{upload}")
}

/// The key of all proposals of an upload, where its record does not hold them.
pub fn proposals_key(school: SchoolId, upload: UploadId) -> String {
    format!("{}.proposals.json", report_key(school, upload))
}

/// Reads an [`upload_key`]; anything else is not ours.
pub fn read_upload_key(key: &str) -> Option<(SchoolId, UploadId)> {
    let (school, upload) = key.strip_prefix("uploads/")?.split_once('/')?;
    Some((school.parse().ok()?, upload.parse().ok()?))
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// An address to PUT exactly `bytes` bytes of CSV to.
    pub async fn presign_put(
        &self,
        key: &str,
        bytes: i64,
        lifetime: Duration,
    ) -> Result<Presigned, ObjectError> {
        let config =
            PresigningConfig::expires_in(lifetime).map_err(|error| ObjectError::new("presigning", &error))?;
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_length(bytes)
            .content_type(UPLOAD_CONTENT_TYPE);
        let signed = request
            .presigned(config)
            .await
            .map_err(|error| ObjectError::new("presigning", &describe(&error)))?;
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Presigned { url: signed.uri().to_owned(), headers })
    }

    /// An address to GET an object from.
    pub async fn presign_get(&self, key: &str, lifetime: Duration) -> Result<String, ObjectError> {
        let config =
            PresigningConfig::expires_in(lifetime).map_err(|error| ObjectError::new("presigning", &error))?;
        let signed = self.client.get_object().bucket(&self.name).key(key).presigned(config).await;
        Ok(signed.map_err(|error| ObjectError::new("presigning", &describe(&error)))?.uri().to_owned())
    }

    /// An object of at most `limit` bytes, or `None` when there is none. A larger one is cut at `limit + 1` bytes, so that
    /// the caller sees that it is too large.
    pub async fn get(&self, key: &str, limit: usize) -> Result<Option<Object>, ObjectError> {
        let answer = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(answer) => answer,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(ObjectError::new("GetObject", &describe(&error))),
        };
        let mut bytes = Vec::with_capacity(
            usize::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default().min(limit + 1),
        );
        let mut body = answer.body;
        while let Some(part) = body.try_next().await.map_err(|error| ObjectError::new("GetObject", &error))? {
            let room = (limit + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            if bytes.len() > limit {
                break;
            }
        }
        Ok(Some(Object { bytes, content_type: answer.content_type }))
    }

    /// Writes an object.
    pub async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(bytes));
        request.send().await.map_err(|error| ObjectError::new("PutObject", &describe(&error)))?;
        Ok(())
    }

    /// Erases an object with all its versions and markers; how many there were.
    pub async fn erase(&self, key: &str) -> Result<usize, ObjectError> {
        let mut erased = 0;
        loop {
            let found = self.client.list_object_versions().bucket(&self.name).prefix(key).send().await;
            let found = found.map_err(|error| ObjectError::new("ListObjectVersions", &describe(&error)))?;
            let versions = found
                .versions
                .unwrap_or_default()
                .into_iter()
                .map(|version| (version.key, version.version_id));
            let markers = found
                .delete_markers
                .unwrap_or_default()
                .into_iter()
                .map(|marker| (marker.key, marker.version_id));
            // A prefix may match longer keys: only this very object goes.
            let ids: Vec<_> = versions
                .chain(markers)
                .filter(|(name, _)| name.as_deref() == Some(key))
                .filter_map(|(_, version)| {
                    ObjectIdentifier::builder().key(key).set_version_id(version).build().ok()
                })
                .collect();
            if ids.is_empty() {
                return Ok(erased);
            }
            erased += ids.len();
            let delete = Delete::builder()
                .set_objects(Some(ids))
                .quiet(true)
                .build()
                .map_err(|error| ObjectError::new("DeleteObjects", &error))?;
            let answer = self.client.delete_objects().bucket(&self.name).delete(delete).send().await;
            let answer = answer.map_err(|error| ObjectError::new("DeleteObjects", &describe(&error)))?;
            if let Some(error) = answer.errors.unwrap_or_default().first() {
                return Err(ObjectError::new("DeleteObjects", &error.code.as_deref().unwrap_or("refused")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn only_our_own_keys_are_read() {
        let (school, upload) =
            (SchoolId::new(Timestamp::UNIX_EPOCH, &[1; 10]), UploadId::new(Timestamp::UNIX_EPOCH, &[2; 10]));
        assert_eq!(read_upload_key(&upload_key(school, upload)), Some((school, upload)));
        for other in [
            "",
            "uploads/",
            "uploads/x/y",
            "a.csv",
            &format!("uploads/{school}"),
            &format!("uploads/{school}/{upload}/x"),
            &format!("uploads/{upload}/{school}"),
        ] {
            assert_eq!(read_upload_key(other), None, "{other}");
        }
    }
}
