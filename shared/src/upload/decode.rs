//! Bytes to text.

use super::Refusal;

/// The text of a file and the name of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text, without a byte order mark.
    pub text: &'a str,
    /// `utf-8` or `utf-8-bom`.
    pub encoding: &'static str,
}

/// How archives (and new workbooks), pictures, old workbooks and documents begin.
const SIGNATURES: [&[u8]; 7] =
    [b"PK\x03\x04", b"\x89PNG", b"\xd0\xcf\x11\xe0", b"%PDF", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b"];

/// Reads UTF-8 with or without a byte order mark.
///
/// # Errors
/// What is no text is refused by name; a NUL or the signature of a picture, an archive or a workbook is no text.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Refusal> {
    let (body, encoding) =
        bytes.strip_prefix(b"\xef\xbb\xbf").map_or((bytes, "utf-8"), |body| (body, "utf-8-bom"));
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::EmptyFile);
    }
    if SIGNATURES.iter().any(|signature| body.starts_with(signature)) || body.contains(&0) {
        return Err(Refusal::NotATable);
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::UnknownEncoding)?;
    Ok(Decoded { text, encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        for (bytes, verdict) in [
            (&b""[..], Err(Refusal::EmptyFile)),
            (b" \r\n", Err(Refusal::EmptyFile)),
            (b"\xef\xbb\xbf", Err(Refusal::EmptyFile)),
            (b"\x89PNG\r\n\x1a\n", Err(Refusal::NotATable)),
            (b"PK\x03\x04xl", Err(Refusal::NotATable)),
            (b"a,b\0", Err(Refusal::NotATable)),
            (b"Zo\xeb,x", Err(Refusal::UnknownEncoding)),
            (b"\xef\xbb\xbfa,b", Ok("utf-8-bom")),
            ("Zoë,x".as_bytes(), Ok("utf-8")),
        ] {
            assert_eq!(decode(bytes).map(|decoded| decoded.encoding), verdict, "{bytes:?}");
        }
    }
}
