//! HTTP/1.1 messages, read whole and written back with the same bytes where it matters: a signature covers the path, the
//! `Host` header and the body, so none of them may be touched. By hand and not with a framework, because the faults
//! (half an answer, a reset) are below what a framework lets one do.

use std::borrow::Cow;

use tokio::io::{self, AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A header line; the value is kept as bytes because a signature may cover bytes that are not UTF-8.
pub(crate) type Header = (String, Vec<u8>);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    pub(crate) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        find(&self.headers, name)
    }
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![
            ("content-type".to_owned(), content_type.as_bytes().to_vec()),
            ("x-amzn-requestid".to_owned(), b"00000000-0000-4000-8000-000000000000".to_vec()),
        ];
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }
}

fn find<'a>(headers: &'a [Header], name: &str) -> Option<Cow<'a, str>> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| String::from_utf8_lossy(value))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// One line without its line end; `None` at the end of the stream.
async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if reader.read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(Some(bytes))
}

async fn headers(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<Header>> {
    let mut headers = Vec::new();
    loop {
        let bytes = line(reader).await?.ok_or_else(|| malformed("headers broke off"))?;
        if bytes.is_empty() {
            return Ok(headers);
        }
        let colon =
            bytes.iter().position(|byte| *byte == b':').ok_or_else(|| malformed("header without a colon"))?;
        let value = bytes[colon + 1..].trim_ascii().to_vec();
        headers.push((String::from_utf8_lossy(&bytes[..colon]).into_owned(), value));
    }
}

fn is_chunked(headers: &[Header]) -> bool {
    find(headers, "transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
}

fn length(headers: &[Header]) -> io::Result<Option<usize>> {
    find(headers, "content-length")
        .map(|value| value.parse().map_err(|_| malformed("content-length is not a number")))
        .transpose()
}

async fn exactly(reader: &mut (impl AsyncBufRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(body)
}

async fn chunks(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(reader).await?.ok_or_else(|| malformed("chunks broke off"))?;
        let size = String::from_utf8_lossy(&size);
        let size = size.split(';').next().unwrap_or("").trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size is not a number"))?;
        if size == 0 {
            // Trailers end with an empty line, like headers.
            headers(reader).await?;
            return Ok(body);
        }
        body.extend(exactly(reader, size).await?);
        line(reader).await?;
    }
}

/// Reads a request; `None` when the client has gone away between requests. `writer` is for the go-ahead that a client with
/// a large body waits for.
pub(crate) async fn read_request(
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<Option<Request>> {
    let Some(start) = line(reader).await? else { return Ok(None) };
    let start = String::from_utf8_lossy(&start).into_owned();
    let mut parts = start.split(' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(malformed("request line"));
    };
    let headers = headers(reader).await?;
    if find(&headers, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = if is_chunked(&headers) {
        chunks(reader).await?
    } else {
        exactly(reader, length(&headers)?.unwrap_or(0)).await?
    };
    Ok(Some(Request { method: method.to_owned(), target: target.to_owned(), headers, body }))
}

/// Reads the response to a request of the given method.
pub(crate) async fn read_response(
    reader: &mut (impl AsyncBufRead + Unpin),
    method: &str,
) -> io::Result<Response> {
    loop {
        let start = line(reader).await?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let start = String::from_utf8_lossy(&start).into_owned();
        let status = start
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse::<u16>().ok())
            .ok_or_else(|| malformed("status line"))?;
        let headers = headers(reader).await?;
        if (100..200).contains(&status) {
            continue;
        }
        let body = if method == "HEAD" || matches!(status, 204 | 304) {
            Vec::new()
        } else if is_chunked(&headers) {
            chunks(reader).await?
        } else if let Some(length) = length(&headers)? {
            exactly(reader, length).await?
        } else {
            let mut body = Vec::new();
            reader.read_to_end(&mut body).await?;
            body
        };
        return Ok(Response { status, headers, body });
    }
}

/// Headers that belong to one connection and are written anew.
fn is_framing(name: &str) -> bool {
    ["connection", "keep-alive", "transfer-encoding", "content-length", "expect"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
}

fn head(start: &str, headers: &[Header], length: &str) -> Vec<u8> {
    let mut head = format!("{start}\r\n").into_bytes();
    for (name, value) in headers.iter().filter(|(name, _)| !is_framing(name)) {
        head.extend(name.as_bytes());
        head.extend(b": ");
        head.extend(value);
        head.extend(b"\r\n");
    }
    head.extend(format!("content-length: {length}\r\n\r\n").as_bytes());
    head
}

/// The bytes of a request on its way to the emulator.
pub(crate) fn request_bytes(request: &Request) -> Vec<u8> {
    let start = format!("{} {} HTTP/1.1", request.method, request.target);
    let mut bytes = head(&start, &request.headers, &request.body.len().to_string());
    bytes.extend(&request.body);
    bytes
}

/// The bytes of a response on its way to the client that asked with the given method.
pub(crate) fn response_bytes(response: &Response, method: &str) -> Vec<u8> {
    let length = if method == "HEAD" {
        find(&response.headers, "content-length").map_or_else(|| "0".to_owned(), Cow::into_owned)
    } else {
        response.body.len().to_string()
    };
    let mut bytes = head(&format!("HTTP/1.1 {} -", response.status), &response.headers, &length);
    bytes.extend(&response.body);
    bytes
}

/// Percent and plus decoding of one form or query value.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let pair = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let pair = String::from_utf8_lossy(&pair).into_owned();
                bytes.push(u8::from_str_radix(&pair, 16).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The pairs of a query string or form body.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// One value of a query string or form body.
pub(crate) fn pair(text: &str, name: &str) -> Option<String> {
    pairs(text).find(|(known, _)| known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts").block_on(future)
    }

    #[test]
    fn a_request_survives_with_path_host_and_body() {
        let sent = b"PUT /b/a%2Fb?x=1 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nContent-Length: 3\r\n\r\nabc";
        let mut written = Vec::new();
        let request =
            block(read_request(&mut &sent[..], &mut written)).expect("it reads").expect("there is one");
        assert_eq!((request.path(), request.query()), ("/b/a%2Fb", "x=1"));
        assert_eq!(request.header("host").as_deref(), Some("127.0.0.1:9"));
        let bytes = String::from_utf8(request_bytes(&request)).expect("it is text");
        assert!(bytes.starts_with("PUT /b/a%2Fb?x=1 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n"), "{bytes}");
        assert!(bytes.ends_with("\r\n\r\nabc"));
        assert!(written.is_empty());
    }

    #[test]
    fn chunks_are_joined_and_a_go_ahead_is_given() {
        let sent =
            b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        let mut written = Vec::new();
        let request =
            block(read_request(&mut &sent[..], &mut written)).expect("it reads").expect("there is one");
        assert_eq!(request.body, b"abc");
        assert!(written.starts_with(b"HTTP/1.1 100"));
    }

    #[test]
    fn an_informational_answer_is_skipped() {
        let sent = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let response = block(read_response(&mut &sent[..], "POST")).expect("it reads");
        assert_eq!((response.status, response.body.as_slice()), (200, &b"ok"[..]));
    }

    #[test]
    fn forms_are_decoded() {
        assert_eq!(pair("Action=Publish&Message=a%20b%2Bc+d", "Message").as_deref(), Some("a b+c d"));
        assert_eq!(pair("a=1", "b"), None);
    }
}
