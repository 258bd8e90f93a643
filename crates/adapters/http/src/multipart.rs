//! `multipart/form-data` (RFC 7578, over RFC 2046, section 5.1) as uploads send it: at most a picture for each size and
//! one for the others.
//!
//! Bytes are pushed in as they come and nothing is kept of them but the pictures, so that it is the caller who decides
//! how long to wait. Names of files and types of parts say nothing here: content is judged by itself.

#[cfg(test)]
mod tests;

use bytes::{Buf as _, BytesMut};
use frontdesk_profile::avatar::{Part, PartName, RenderError, UPLOAD_LIMIT};
use memchr::memmem::{self, Finder};

/// The most bytes of a body: the pictures, and 64 KiB for what stands around them.
pub const BODY_LIMIT: usize = UPLOAD_LIMIT + 64 * 1_024;

/// The most bytes of the headers of a part.
const HEADERS_LIMIT: usize = 8 * 1_024;

/// The most characters of a boundary (RFC 2046, section 5.1.1), and of the blanks after it.
const BOUNDARY_LIMIT: usize = 70;

/// Why an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The frame around the parts cannot be read.
    #[error("{0}")]
    Malformed(&'static str),
    /// A part breaks a rule.
    #[error("{name} {rule}")]
    Part {
        /// The name that it came under, at whatever length.
        name: String,
        /// The rule.
        rule: String,
    },
    /// More bytes than are taken.
    #[error("the pictures are over {UPLOAD_LIMIT} bytes")]
    TooLarge,
}

fn refused(name: impl Into<String>, rule: impl Into<String>) -> Refused {
    Refused::Part { name: name.into(), rule: rule.into() }
}

/// The parameters of a header, `; name=value` or `; name="value"`, the names in lower case.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header.chars().peekable();
    loop {
        while rest.next_if(|&c| c != ';').is_some() {}
        if rest.next().is_none() {
            return found;
        }
        let name: String = std::iter::from_fn(|| rest.next_if(|&c| c != ';' && c != '=')).collect();
        if rest.next_if_eq(&'=').is_none() {
            continue;
        }
        while rest.next_if(char::is_ascii_whitespace).is_some() {}
        let value = if rest.next_if_eq(&'"').is_some() {
            quoted(&mut rest)
        } else {
            std::iter::from_fn(|| rest.next_if(|&c| c != ';')).collect::<String>().trim_end().to_owned()
        };
        found.push((name.trim().to_ascii_lowercase(), value));
    }
}

/// Up to the closing quote. Browsers leave a backslash as it is, so that it escapes only what needs it.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut value = String::new();
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.next_if(|&c| c == '"' || c == '\\') } else { None };
        match (c, escaped) {
            (_, Some(escaped)) => value.push(escaped),
            ('"', None) => break,
            (plain, None) => value.push(plain),
        }
    }
    value
}

/// Reads the boundary out of a `Content-Type`; nothing where that is another type.
pub fn boundary(content_type: &str) -> Option<Result<String, Refused>> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut boundaries = parameters(content_type).into_iter().filter(|(name, _)| name == "boundary");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
    Some(match (boundaries.next(), boundaries.next()) {
        (None, _) => Err(Refused::Malformed("the Content-Type has no boundary")),
        (Some(_), Some(_)) => Err(Refused::Malformed("the Content-Type has more than one boundary")),
        (Some((_, boundary)), None) => {
            let is_sound = (1..=BOUNDARY_LIMIT).contains(&boundary.len()) && boundary.chars().all(allowed);
            let rule = "the boundary must be 1 to 70 letters, digits and '()+_,-./:=? without a blank at its end";
            if is_sound && !boundary.ends_with(' ') { Ok(boundary) } else { Err(Refused::Malformed(rule)) }
        }
    })
}

/// The name of a part, out of its headers.
fn name(headers: &[u8]) -> Result<String, Refused> {
    let headers = String::from_utf8_lossy(headers);
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let form_data = disposition
        .filter(|value| value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("form-data")));
    let missing = Refused::Malformed("a part has no Content-Disposition: form-data with a name");
    let mut parameters = form_data.map(parameters).unwrap_or_default().into_iter();
    parameters.find(|(parameter, _)| parameter == "name").map(|(_, name)| name).ok_or(missing)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary; what stands there means nothing.
    Preamble,
    /// Behind a boundary.
    Boundary,
    /// In the headers of a part; the end of the boundary's line is still to be read.
    Headers,
    /// In the content of the last part.
    Content,
    /// Behind the last boundary; what stands there means nothing.
    Epilogue,
}

/// Reads a body piece by piece.
#[derive(Debug)]
pub struct Multipart {
    delimiter: Finder<'static>,
    state: State,
    /// Not judged yet: less than a delimiter, or less than the headers of a part.
    pending: BytesMut,
    parts: Vec<Part>,
    /// How many bytes the body will have, as far as its sender says.
    declared: usize,
    read: usize,
    kept: usize,
}

impl Multipart {
    /// Begins. `declared` is the length of the body where that is known: what a part may take is then reserved at once.
    pub fn new(boundary: &str, declared: Option<usize>) -> Self {
        Self {
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
            state: State::Preamble,
            // The first boundary needs no line before it.
            pending: BytesMut::from("\r\n"),
            parts: Vec::new(),
            declared: declared.unwrap_or_default(),
            read: 0,
            kept: 0,
        }
    }

    /// Takes the next bytes of the body. After a refusal there is no use in more of them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.read = self.read.saturating_add(bytes.len());
        if self.read > BODY_LIMIT {
            return Err(Refused::TooLarge);
        }
        self.pending.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// Ends: the parts in the order they came, one at least and none of them empty.
    pub fn finish(self) -> Result<Vec<Part>, Refused> {
        match self.state {
            State::Epilogue if self.parts.is_empty() => Err(refused("file", RenderError::NoPicture.to_string())),
            State::Epilogue => Ok(self.parts),
            State::Preamble => Err(Refused::Malformed("the boundary of the Content-Type is nowhere in the body")),
            State::Boundary | State::Headers | State::Content => {
                Err(Refused::Malformed("the body ends before its last boundary"))
            }
        }
    }

    /// Goes on as far as one state leads; tells whether there may be more to do.
    fn step(&mut self) -> Result<bool, Refused> {
        match self.state {
            State::Preamble | State::Content => self.content(),
            State::Boundary => self.boundary(),
            State::Headers => self.headers(),
            State::Epilogue => {
                self.pending.clear();
                Ok(false)
            }
        }
    }

    fn content(&mut self) -> Result<bool, Refused> {
        let delimiter = self.delimiter.needle().len();
        let found = self.delimiter.find(&self.pending);
        // The end of what is here may be the beginning of a delimiter.
        let certain = found.unwrap_or_else(|| self.pending.len().saturating_sub(delimiter - 1));
        let content = self.pending.split_to(certain);
        if self.state == State::Content {
            self.keep(&content)?;
        }
        if found.is_none() {
            return Ok(false);
        }
        self.pending.advance(delimiter);
        if self.state == State::Content {
            self.end_part()?;
        }
        self.state = State::Boundary;
        Ok(true)
    }

    fn boundary(&mut self) -> Result<bool, Refused> {
        let wrong = Refused::Malformed("a boundary is followed by something else than the end of its line");
        if self.pending.starts_with(b"--") {
            self.state = State::Epilogue;
            return Ok(true);
        }
        let blanks = self.pending.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match self.pending.get(blanks..blanks + 2) {
            _ if blanks > BOUNDARY_LIMIT => Err(wrong),
            Some(b"\r\n") => {
                self.pending.advance(blanks);
                self.state = State::Headers;
                Ok(true)
            }
            Some(_) => Err(wrong),
            None => Ok(false),
        }
    }

    fn headers(&mut self) -> Result<bool, Refused> {
        const END: &[u8] = b"\r\n\r\n";
        let found = memmem::find(&self.pending, END);
        let least = found.unwrap_or_else(|| self.pending.len().saturating_sub(END.len() - 1));
        if least > HEADERS_LIMIT {
            return Err(Refused::Malformed("the headers of a part are over 8192 bytes"));
        }
        let Some(end) = found else { return Ok(false) };
        let headers = self.pending.split_to(end);
        self.pending.advance(END.len());
        self.begin_part(name(&headers)?)?;
        self.state = State::Content;
        Ok(true)
    }

    fn begin_part(&mut self, name: String) -> Result<(), Refused> {
        let Some(part) = PartName::parse(&name) else {
            return Err(refused(name, "is not one of file, avatar, image, thumbnail, small, medium and large"));
        };
        match self.parts.iter().map(|other| other.name).find(|other| other.size() == part.size()) {
            Some(other) if other == part => return Err(refused(name, "must be given once")),
            Some(other) => return Err(refused(name, format!("must not come together with {}", other.as_str()))),
            None => {}
        }
        let to_come = self.declared.saturating_sub(self.read) + self.pending.len();
        let bytes = Vec::with_capacity(to_come.min(UPLOAD_LIMIT - self.kept));
        self.parts.push(Part { name: part, bytes });
        Ok(())
    }

    fn keep(&mut self, content: &[u8]) -> Result<(), Refused> {
        self.kept += content.len();
        if self.kept > UPLOAD_LIMIT {
            return Err(Refused::TooLarge);
        }
        if let Some(part) = self.parts.last_mut() {
            part.bytes.extend_from_slice(content);
        }
        Ok(())
    }

    fn end_part(&mut self) -> Result<(), Refused> {
        match self.parts.last_mut() {
            Some(part) if part.bytes.is_empty() => Err(refused(part.name.as_str(), "is empty")),
            last => {
                if let Some(part) = last {
                    part.bytes.shrink_to_fit();
                }
                Ok(())
            }
        }
    }
}
