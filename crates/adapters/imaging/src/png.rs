//! PNG, row by row.
//!
//! The decoder is given the chunks that make the picture and no other: whatever else a file carries, it cannot inflate
//! to anything.

use std::io::Cursor;

use png::{ColorType, Limits, Transformations};

use crate::colour::{MAX_PROFILE, Space};
use crate::exif::Orientation;
use crate::flaw::{Broken, Size};
use crate::picture::Decoded;
use crate::shrink::{Line, Shrinker};

const SIGNATURE: usize = 8;
const CUT: Broken = Broken("it ends too early");
const DAMAGED: Broken = Broken("its data is damaged or cut");
/// What the decoder may take for one row and its bookkeeping, in bytes.
const ROWS: usize = 2 * 1_024 * 1_024;
const MAX_EXIF: usize = 64 * 1_024;

struct Chunk<'a> {
    name: [u8; 4],
    content: &'a [u8],
    whole: &'a [u8],
}

/// Walks over chunks.
struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    fn next(&mut self) -> Result<Chunk<'a>, Broken> {
        let (&[l3, l2, l1, l0, n0, n1, n2, n3], rest) = self.0.split_first_chunk().ok_or(CUT)?;
        let length = usize::try_from(u32::from_be_bytes([l3, l2, l1, l0])).map_err(|_| CUT)?;
        let content = rest.get(..length).ok_or(CUT)?;
        let (whole, rest) = self.0.split_at_checked(length.saturating_add(12)).ok_or(CUT)?;
        self.0 = rest;
        Ok(Chunk { name: [n0, n1, n2, n3], content, whole })
    }
}

/// Tells the size, and the most memory that decoding takes, in bytes.
pub(crate) fn head(bytes: &[u8]) -> Result<(Size, u64), Broken> {
    let mut chunks = Chunks(bytes.get(SIGNATURE..).ok_or(CUT)?);
    let Chunk { name, content: header, .. } = chunks.next()?;
    let (&[w3, w2, w1, w0, h3, h2, h1, h0], rest) = header.split_first_chunk().ok_or(CUT)?;
    if name != *b"IHDR" {
        return Err(Broken("it does not begin with its header"));
    }
    let size = Size { width: u32::from_be_bytes([w3, w2, w1, w0]), height: u32::from_be_bytes([h3, h2, h1, h0]) };
    let in_order = rest.last() == Some(&0);
    Ok((size, (bytes.len() + ROWS) as u64 + Shrinker::memory(size, in_order)))
}

/// What a file is made of.
#[derive(Default)]
struct Content<'a> {
    /// A file with what makes the picture and nothing else.
    bare: Vec<u8>,
    exif: Option<&'a [u8]>,
    profile: Option<&'a [u8]>,
}

fn content(bytes: &[u8]) -> Result<Content<'_>, Broken> {
    let (signature, chunks) = bytes.split_at_checked(SIGNATURE).ok_or(CUT)?;
    let mut chunks = Chunks(chunks);
    let mut content = Content { bare: signature.to_vec(), ..Content::default() };
    loop {
        let Chunk { name, content: body, whole } = chunks.next()?;
        match &name {
            b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" => content.bare.extend_from_slice(whole),
            b"IEND" => {
                content.bare.extend_from_slice(whole);
                return Ok(content);
            }
            b"eXIf" if body.len() <= MAX_EXIF => content.exif = content.exif.or(Some(body)),
            b"iCCP" if body.len() <= MAX_PROFILE => content.profile = content.profile.or(Some(body)),
            // A capital says that the picture cannot be shown without it.
            [b'A'..=b'Z', ..] => return Err(Broken("it has a chunk that is not known and must be")),
            _ => {}
        }
    }
}

/// The file that the decoder is given.
#[cfg(test)]
pub(crate) fn bare(bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    content(bytes).map(|content| content.bare)
}

/// A profile stands behind its name, compressed. PNG, third edition, 11.3.2.3.
fn inflate_profile(body: &[u8]) -> Option<Vec<u8>> {
    let name = body.iter().position(|&byte| byte == 0)?;
    let compressed = body.get(name + 1..)?.strip_prefix(&[0])?;
    fdeflate::decompress_to_vec_bounded(compressed, MAX_PROFILE).ok()
}

/// Decodes the picture; of an animated one, the picture that all others show.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Broken> {
    let Content { bare, exif, profile } = content(bytes)?;
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bare), Limits { bytes: ROWS });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|_| DAMAGED)?;
    let info = reader.info();
    let size = Size { width: info.width, height: info.height };
    let is_interlaced = info.interlaced;
    let mut shrinker = Shrinker::new(size, !is_interlaced);
    let colours = reader.output_color_type().0;
    for line in lines(size, is_interlaced) {
        let row = reader.next_interlaced_row().map_err(|_| DAMAGED)?.ok_or(DAMAGED)?;
        take(&mut shrinker, colours, line, row.data());
    }
    reader.finish().map_err(|_| DAMAGED)?;
    let is_grey = matches!(colours, ColorType::Grayscale | ColorType::GrayscaleAlpha);
    Ok(Decoded {
        picture: shrinker.finish()?,
        orientation: exif.and_then(Orientation::of_exif).unwrap_or(Orientation::Upright),
        space: if is_grey { Space::Grey } else { Space::Rgb },
        profile: profile.and_then(inflate_profile),
    })
}

fn take(shrinker: &mut Shrinker, colours: ColorType, line: Line, row: &[u8]) {
    match colours {
        ColorType::Grayscale => shrinker.row(line, row.iter().map(|&grey| [grey, grey, grey, 255])),
        ColorType::GrayscaleAlpha => {
            shrinker.row(line, row.as_chunks().0.iter().map(|&[grey, alpha]| [grey, grey, grey, alpha]));
        }
        ColorType::Rgba => shrinker.row(line, row.as_chunks().0.iter().copied()),
        ColorType::Rgb | ColorType::Indexed => {
            shrinker.row(line, row.as_chunks().0.iter().map(|&[red, green, blue]| [red, green, blue, 255]));
        }
    }
}

/// Where the rows lie, in the order of the data: those of each pass begin at a line and a column and are so far apart.
///
/// PNG, third edition, 8.1.
fn lines(size: Size, is_interlaced: bool) -> impl Iterator<Item = Line> {
    let passes: &[(u32, usize, u32, u32)] = if is_interlaced {
        &[(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    } else {
        &[(0, 1, 0, 1)]
    };
    // A pass without a column has no rows.
    let passes = passes.iter().filter(move |(.., x, _)| *x < size.width);
    passes.flat_map(move |&(first, down, x, step)| (first..size.height).step_by(down).map(move |y| Line { y, x, step }))
}
