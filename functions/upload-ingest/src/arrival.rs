//! What a queue message says has arrived: a file, by S3's own event, or an approval, by a task of ours.

use serde::Deserialize;
use shared::{
    id::{SchoolId, UploadId},
    object::read_upload_key,
    queue::{Task, TaskError},
};

/// An upload to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The tenant.
    pub school: SchoolId,
    /// The upload.
    pub upload: UploadId,
}

#[derive(Deserialize)]
struct S3Event {
    #[serde(rename = "Records")]
    records: Vec<S3Record>,
}

#[derive(Deserialize)]
struct S3Record {
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Object {
    key: String,
}

/// Reads a body. S3's test event and keys that are not ours are nothing to work on; what cannot be read at all is an error,
/// so that the dead-letter queue keeps it.
pub fn read(body: &str) -> Result<Vec<Arrival>, TaskError> {
    let value: serde_json::Value = serde_json::from_str(body).map_err(|_| TaskError::Unreadable)?;
    if value.get("Event").is_some_and(|event| event == "s3:TestEvent") {
        return Ok(Vec::new());
    }
    if value.get("Records").is_some() {
        let event: S3Event = serde_json::from_value(value).map_err(|_| TaskError::Unreadable)?;
        let keys = event.records.into_iter().map(|record| decode(&record.s3.object.key));
        let arrivals = keys.filter_map(|key| {
            let found = key.as_deref().and_then(read_upload_key);
            if found.is_none() {
                tracing::warn!("an object with a key that is not ours was passed over");
            }
            found.map(|(school, upload)| Arrival { school, upload })
        });
        return Ok(arrivals.collect());
    }
    match Task::from_body(body)? {
        Task::ApplyUpload { school_id, upload_id } => {
            Ok(vec![Arrival { school: school_id, upload: upload_id }])
        }
        _ => Err(TaskError::Unreadable),
    }
}

/// S3 writes keys as a form does: `+` for a space, `%XX` for bytes.
fn decode(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "uploads/sch_019b76da880077078707070707070707/upl_019b76da880077078707070707070707";

    fn event(key: &str) -> String {
        serde_json::json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": 1}}}]}).to_string()
    }

    #[test]
    fn only_our_own_keys_are_work() {
        assert_eq!(read(&event(KEY)).unwrap().len(), 1);
        assert_eq!(read(&event(&KEY.replace('_', "%5F").replace('/', "%2F"))).unwrap().len(), 1);
        for key in ["a.csv", "uploads/x/y", "%zz", "%", "uploads/..%2Fx"] {
            assert_eq!(read(&event(key)), Ok(vec![]), "{key}");
        }
        assert_eq!(read(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#), Ok(vec![]));
        for body in ["", "{}", r#"{"Records":[{}]}"#, r#"{"v":9,"task":"apply_upload"}"#] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
