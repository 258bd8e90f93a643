//! As much of an HTTP/1.1 response as a load generator needs.

use crate::Outcome;

/// Where a response ends and what it says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Where the body begins.
    pub(crate) body_at: usize,
    /// Bytes before the next response.
    pub(crate) len: usize,
}

/// Reads the head at the start of `bytes`, or `None` while it is not all there.
///
/// A body must have a Content-Length: the servers measured here send no other.
pub(crate) fn head(bytes: &[u8]) -> Outcome<Option<Head>> {
    let mut status = None;
    let mut body_len = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let Some(line_text) = line.strip_suffix(b"\r\n") else { return Ok(None) };
        at += line.len();
        if status.is_none() {
            status = Some(number(line_text.get(9..12).unwrap_or_default()).ok_or("not an HTTP/1.1 status line")?);
        } else if line_text.is_empty() {
            let body_len = body_len.ok_or("a response without Content-Length")?;
            let status = status.and_then(|status| u16::try_from(status).ok()).ok_or("no status")?;
            return Ok(Some(Head { status, body_at: at, len: at + body_len }));
        } else if let Some((name, value)) = line_text.split_at_checked(b"content-length:".len())
            && name.eq_ignore_ascii_case(b"content-length:")
        {
            body_len = Some(number(value.trim_ascii()).ok_or("a Content-Length that is no number")?);
        }
    }
    Ok(None)
}

/// The value of a header, by its name in lower case.
pub(crate) fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let mut fields = std::str::from_utf8(head).ok()?.lines().skip(1).filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\nx-a: b\r\n\r\n{}";

    #[test]
    fn the_end_is_known_from_the_head() {
        let read = head(WHOLE).unwrap().unwrap();
        assert_eq!(read, Head { status: 200, body_at: WHOLE.len() - 2, len: WHOLE.len() });
    }

    #[test]
    fn a_header_is_found_whatever_its_case() {
        assert_eq!(field(WHOLE, "content-length"), Some("2"));
        assert_eq!(field(WHOLE, "x-a"), Some("b"));
        assert_eq!(field(WHOLE, "retry-after"), None);
    }

    #[test]
    fn a_head_cut_anywhere_is_waited_for() {
        for cut in 0..WHOLE.len() - 2 {
            assert_eq!(head(&WHOLE[..cut]).unwrap(), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_body_of_unknown_length_is_refused() {
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
