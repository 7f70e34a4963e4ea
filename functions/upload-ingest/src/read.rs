//! A file as families: what arrived is what was announced, and what it says.

use shared::{
    object::{Object, UPLOAD_CONTENT_TYPE},
    school::Tenant,
    seal, time,
    upload::{MAX_BYTES, Refusal, format, intake::Intake, roll::Roll, store::Upload},
};

/// A file as families, with what describes it.
pub struct ReadFile {
    /// The layout.
    pub format: &'static str,
    /// The text encoding, where it is text.
    pub encoding: Option<&'static str>,
    /// The format's major version, where the file tells it.
    pub version: Option<u16>,
    /// SHA-256, in hexadecimal: an approval is for this very file.
    pub hash: String,
    /// The families.
    pub roll: Roll,
}

/// Reads an upload's file; `own_domain` is the school's.
pub fn read(
    tenant: &Tenant,
    own_domain: Option<&str>,
    upload: &Upload,
    object: &Object,
) -> Result<ReadFile, Refusal> {
    if object.bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    if object.bytes.len() != upload.bytes {
        return Err(Refusal::WrongSize);
    }
    let content_type = object.content_type.as_deref().unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(UPLOAD_CONTENT_TYPE) {
        return Err(Refusal::WrongContentType);
    }
    let today = time::date_in(&tenant.school.time_zone, upload.created_at);
    let settings = &tenant.school.settings;
    let mut intake =
        Intake::new(&tenant.school.agreement, today).of_org(settings.org_id.as_deref()).of_domain(own_domain);
    let described = format::read(&object.bytes, &settings.mapping(), &mut intake)?;
    Ok(ReadFile {
        format: described.format,
        encoding: described.encoding,
        version: described.version,
        hash: seal::sha256(&object.bytes),
        roll: intake.finish()?,
    })
}
