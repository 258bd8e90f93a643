//! What the header of a picture tells, before any pixel is decoded.

use frontdesk_profile::avatar::{MAX_PIXELS, MAX_SIDE};

use crate::flaw::{Broken, Refusal, Size};
use crate::picture::Decoded;
use crate::{gif, jpeg, png, webp};

/// What a picture is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
}

/// The most memory that decoding a picture may take, in bytes.
pub(crate) const MAX_MEMORY: u64 = 200 * 1_024 * 1_024;
/// Memory that is taken besides that of the decoder: for the square, its colours, and the files.
const SQUARES: u64 = 8 * 1_024 * 1_024;

impl Format {
    fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }
}

/// What a picture is, how large it is, and what decoding it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) format: Format,
    pub(crate) size: Size,
    /// The most memory, in bytes.
    pub(crate) memory: u64,
}

impl Head {
    /// Reads the header, and refuses what is over a limit.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(Broken("it is empty").into());
        }
        let format = Format::sniff(bytes).ok_or(Refusal::Unsupported)?;
        let (size, memory) = match format {
            Format::Jpeg => jpeg::head(bytes)?,
            Format::Png => png::head(bytes)?,
            Format::WebP => webp::head(bytes)?,
            Format::Gif => gif::head(bytes)?,
        };
        if size.shorter() == 0 {
            return Err(Broken("it has no pixels").into());
        }
        if size.width.max(size.height) > MAX_SIDE {
            return Err(Refusal::TooLarge("must have at most 12000 pixels a side", size));
        }
        if size.pixels() > MAX_PIXELS {
            return Err(Refusal::TooLarge("must have at most 50000000 pixels", size));
        }
        let memory = memory + SQUARES;
        if memory > MAX_MEMORY {
            return Err(Refusal::TooLarge(
                "must take at most 200 MiB to decode: save it with fewer pixels or as baseline",
                size,
            ));
        }
        Ok(Self { format, size, memory })
    }

    /// Decodes the picture that this is the head of.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Decoded, Broken> {
        match self.format {
            Format::Jpeg => jpeg::decode(bytes),
            Format::Png => png::decode(bytes),
            Format::WebP => webp::decode(bytes),
            Format::Gif => gif::decode(bytes),
        }
    }
}
