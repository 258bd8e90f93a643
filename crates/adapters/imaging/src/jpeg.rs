//! JPEG, scaled while it is decoded.
//!
//! `jpeg-decoder` turns each block of 8 x 8 into as few samples as are needed, so that a baseline picture of 50
//! megapixels takes about 20 MiB. A progressive one is another matter: all its coefficients are held until the last
//! scan. It starts a thread for each plane of what is larger than a stamp; they have little to do beside the one that
//! asks.
//!
//! Taken is what cameras and browsers make: Huffman codes, 8 bits, sequential or progressive, one, three or four
//! components. What is cut is refused as a whole.

use jpeg_decoder::{Decoder, PixelFormat};

use crate::colour::{MAX_PROFILE, Space};
use crate::exif::Orientation;
use crate::flaw::{Broken, Size};
use crate::picture::{Decoded, Picture, RENDERED};
use crate::resize;
use crate::shrink::KEEP;

/// The most scans that are read. Encoders make about ten; each further one costs time and next to no bytes.
const MAX_SCANS: u32 = 64;

/// Coefficients that wait for the threads of the decoder, in bytes. It sets no bound to them, but a row of blocks is
/// read no faster than it is turned into samples: on one core with six busy threads beside it, next to none waited.
const QUEUE: u64 = 16 * 1_024 * 1_024;

const CUT: Broken = Broken("it ends too early");
const DAMAGED: Broken = Broken("its data is damaged or cut");

/// A marker with what belongs to it.
struct Segment<'a> {
    /// What stands before it: the data of a scan, or nothing that counts.
    passed: &'a [u8],
    code: u8,
    body: &'a [u8],
    /// The marker and the body.
    whole: &'a [u8],
}

/// Reads one segment after another. ITU-T T.81, B.1.1.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    /// Begins behind the marker that starts a picture.
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(2..).unwrap_or_default() }
    }

    fn next(&mut self) -> Result<Segment<'a>, Broken> {
        let mut before = 0;
        loop {
            let ahead = self.rest.get(before..).unwrap_or_default();
            let marker = before + ahead.iter().position(|&byte| byte == 0xff).ok_or(CUT)?;
            let filled = self.rest.get(marker..).unwrap_or_default();
            let fill = filled.iter().position(|&byte| byte != 0xff).ok_or(CUT)?;
            let (passed, rest) = self.rest.split_at_checked(marker + fill - 1).ok_or(CUT)?;
            let &[_, code] = rest.first_chunk().ok_or(CUT)?;
            let length = match code {
                0x00 | 0x01 | 0xd0..=0xd7 => {
                    before = marker + fill + 1;
                    continue;
                }
                0xd8 => return Err(Broken("it begins a second time")),
                0xd9 => 0,
                _ => usize::from(u16::from_be_bytes(*rest.get(2..).and_then(<[u8]>::first_chunk).ok_or(CUT)?)),
            };
            let (whole, rest) = rest.split_at_checked(2 + length).ok_or(CUT)?;
            self.rest = rest;
            return Ok(Segment { passed, code, body: whole.get(4..).unwrap_or_default(), whole });
        }
    }
}

const fn is_frame(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc)
}

/// What the header of a frame says. ITU-T T.81, B.2.2.
struct Frame {
    size: Size,
    is_progressive: bool,
    /// Blocks of 8 x 8 in a unit, across and down, of each component.
    components: Vec<(u32, u32)>,
}

impl Frame {
    /// Finds the header.
    fn find(bytes: &[u8]) -> Result<Self, Broken> {
        let mut segments = Segments::new(bytes);
        loop {
            let Segment { code, body, .. } = segments.next()?;
            match code {
                _ if is_frame(code) => return Self::parse(code, body),
                0xd9 | 0xda => return Err(Broken("it has no frame header")),
                _ => {}
            }
        }
    }

    fn parse(code: u8, body: &[u8]) -> Result<Self, Broken> {
        if !matches!(code, 0xc0..=0xc2) {
            return Err(Broken("it is coded in a way that is not taken: lossless, hierarchical or arithmetic"));
        }
        let (&[precision, h1, h0, w1, w0, count], components) =
            body.split_first_chunk().ok_or(Broken("its frame header is cut"))?;
        if precision != 8 {
            return Err(Broken("its samples have other than 8 bits"));
        }
        if !matches!(count, 1 | 3 | 4) || components.len() != 3 * usize::from(count) {
            return Err(Broken("it must have one, three or four components"));
        }
        let factors = |&[_, factors, _]: &[u8; 3]| (u32::from(factors >> 4), u32::from(factors & 15));
        let components: Vec<_> = components.as_chunks().0.iter().map(factors).collect();
        let is_factor = |factor: u32| (1..=4).contains(&factor);
        if !components.iter().all(|&(across, down)| is_factor(across) && is_factor(down)) {
            return Err(Broken("its frame header is wrong"));
        }
        let size = Size { width: u16::from_be_bytes([w1, w0]).into(), height: u16::from_be_bytes([h1, h0]).into() };
        Ok(Self { size, is_progressive: code == 0xc2, components })
    }

    /// Samples that are made of a block, of 1, 2, 4 or 8 a side.
    fn scale(&self) -> u32 {
        [1, 2, 4].into_iter().find(|scale| self.size.shorter() * scale / 8 >= KEEP).unwrap_or(8)
    }

    /// The size that the decoder has to be asked for.
    fn scaled(&self) -> Size {
        let scaled = |length: u32| (length * self.scale()).div_ceil(8);
        Size { width: scaled(self.size.width), height: scaled(self.size.height) }
    }

    /// The most memory that decoding takes, in bytes.
    fn memory(&self) -> u64 {
        // Planes, and the pixels that they are woven into.
        let samples = 2 * self.scaled().pixels() * self.components.len() as u64;
        let coefficients = if self.is_progressive { self.coefficients() } else { 0 };
        samples + coefficients + self.coefficients().min(QUEUE)
    }

    /// Bytes of the coefficients of all blocks.
    fn coefficients(&self) -> u64 {
        let most = |factor: fn(&(u32, u32)) -> u32| self.components.iter().map(factor).max().unwrap_or(1);
        let (across, down) = (most(|factors| factors.0), most(|factors| factors.1));
        let units = u64::from(self.size.width.div_ceil(8 * across)) * u64::from(self.size.height.div_ceil(8 * down));
        let blocks: u64 = self.components.iter().map(|&(across, down)| u64::from(across * down)).sum();
        units * blocks * 64 * 2
    }
}

/// Tells the size, and the most memory that decoding takes, in bytes.
pub(crate) fn head(bytes: &[u8]) -> Result<(Size, u64), Broken> {
    let frame = Frame::find(bytes)?;
    Ok((frame.size, bytes.len() as u64 + frame.memory()))
}

/// The file that the decoder is given: what makes the picture up to its end, which must be there, and no other
/// metadata.
///
/// The decoder takes zeros for data that is missing. Behind the data of each scan it finds ones here: no code has so
/// many of them, so that it gives up instead of inventing the rest. To data that is whole they make no difference.
fn bare(bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    const ONES: [u8; 16] = [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0];
    let mut segments = Segments::new(bytes);
    let mut bare = vec![0xff, 0xd8];
    let (mut scans, mut is_scan) = (0, false);
    loop {
        let Segment { passed, code, body, whole } = segments.next()?;
        if is_scan {
            bare.extend_from_slice(passed);
            bare.extend_from_slice(&ONES);
        }
        is_scan = code == 0xda;
        let is_needed = match code {
            // The kind of the file, its orientation, its colour profile, and what its colours are.
            0xe0 | 0xe2 | 0xee => true,
            0xe1 => body.starts_with(b"Exif\0\0"),
            0xe3..=0xef | 0xfe => false,
            _ => true,
        };
        if is_needed {
            bare.extend_from_slice(whole);
        }
        match code {
            0xd9 => return Ok(bare),
            0xda if scans == MAX_SCANS => return Err(Broken("it has more than 64 scans")),
            0xda => scans += 1,
            _ => {}
        }
    }
}

/// Decodes all scans.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Broken> {
    let frame = Frame::find(bytes)?;
    let bare = bare(bytes)?;
    let mut decoder = Decoder::new(bare.as_slice());
    let asked = frame.scaled();
    let length = |length: u32| u16::try_from(length).map_err(|_| DAMAGED);
    let (width, height) = decoder.scale(length(asked.width)?, length(asked.height)?).map_err(|_| DAMAGED)?;
    let samples = decoder.decode().map_err(|_| DAMAGED)?;
    let size = Size { width: width.into(), height: height.into() };
    let format = decoder.info().ok_or(DAMAGED)?.pixel_format;
    let (pixels, space) = match format {
        PixelFormat::L8 => (square(&samples, size, |&[grey]| [grey, grey, grey, 255]), Space::Grey),
        PixelFormat::RGB24 => (square(&samples, size, |&[red, green, blue]| [red, green, blue, 255]), Space::Rgb),
        PixelFormat::CMYK32 => (square(&samples, size, |&inks: &[u8; 4]| inks), Space::Cmyk),
        PixelFormat::L16 => return Err(DAMAGED),
    };
    drop(samples);
    let picture = Picture { side: size.shorter(), pixels, is_opaque: true };
    Ok(Decoded {
        picture: resize::shrink(&picture, RENDERED)?,
        orientation: decoder.exif_data().and_then(Orientation::of_exif).unwrap_or(Orientation::Upright),
        space,
        profile: decoder.icc_profile().filter(|profile| profile.len() <= MAX_PROFILE),
    })
}

/// Cuts the square around the centre out of rows of pixels.
fn square<const BYTES: usize>(samples: &[u8], size: Size, pixel: impl Fn(&[u8; BYTES]) -> [u8; 4]) -> Vec<u8> {
    let (left, top) = size.margins();
    let kept = size.shorter() as usize;
    let rows = samples.chunks_exact(size.width as usize * BYTES).skip(top as usize).take(kept);
    let cut = |row: &[u8]| row.as_chunks().0.iter().skip(left as usize).take(kept).flat_map(&pixel).collect::<Vec<_>>();
    let mut pixels = Vec::with_capacity(kept * kept * 4);
    rows.for_each(|row| pixels.extend(cut(row)));
    pixels
}
