//! WebP: lossy, lossless and, of animations, the first frame.
//!
//! The container is walked here, so that no size is believed that a frame contradicts. Lossy frames are decoded by
//! `image-webp` to planes, which is where it is frugal, and go on row by row.

#![expect(clippy::cast_possible_truncation, reason = "means of bytes, and what is clamped to a byte")]

mod codes;
mod lossless;
mod transforms;

use image_webp::vp8::{Frame as Planes, Vp8Decoder};

use crate::colour::{MAX_PROFILE, Space};
use crate::exif::Orientation;
use crate::flaw::{Broken, Size};
use crate::picture::Decoded;
use crate::shrink::{Line, Shrinker};

const CUT: Broken = Broken("it ends too early");
const DAMAGED: Broken = Broken("its data is damaged or cut");

/// A name and a content.
type Chunk<'a> = ([u8; 4], &'a [u8]);

/// Walks over chunks. RFC 9649, 2.3.
struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    fn next(&mut self) -> Result<Option<Chunk<'a>>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (&[n0, n1, n2, n3, l0, l1, l2, l3], rest) = self.0.split_first_chunk().ok_or(CUT)?;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| CUT)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        // A byte to make the length even; some files do without the last.
        self.0 = if length % 2 == 1 { rest.get(1..).unwrap_or_default() } else { rest };
        Ok(Some(([n0, n1, n2, n3], content)))
    }
}

#[derive(Clone, Copy)]
enum Data<'a> {
    Lossy(&'a [u8]),
    /// Without its header, and whether that says that there is alpha.
    Lossless(&'a [u8], bool),
}

/// One picture on the canvas.
#[derive(Clone, Copy)]
struct Frame<'a> {
    left: u32,
    top: u32,
    size: Size,
    alpha: Option<&'a [u8]>,
    data: Data<'a>,
}

/// What a file holds, as far as it is needed.
struct Container<'a> {
    canvas: Size,
    frame: Frame<'a>,
    exif: Option<&'a [u8]>,
    profile: Option<&'a [u8]>,
}

/// A number of three bytes.
const fn number(b0: u8, b1: u8, b2: u8) -> u32 {
    u32::from_le_bytes([b0, b1, b2, 0])
}

/// Reads the header of a lossy frame. RFC 6386, 9.1.
fn lossy(content: &[u8]) -> Result<(Size, Data<'_>), Broken> {
    let &[tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = content.first_chunk().ok_or(CUT)? else {
        return Err(DAMAGED);
    };
    let length = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let size = Size { width: length(w0, w1), height: length(h0, h1) };
    if tag & 1 == 1 || size.shorter() == 0 {
        return Err(DAMAGED);
    }
    Ok((size, Data::Lossy(content)))
}

/// Reads the header of a lossless frame. WebP Lossless Bitstream, 3.
fn lossless(content: &[u8]) -> Result<(Size, Data<'_>), Broken> {
    let (&[0x2f, b0, b1, b2, b3], rest) = content.split_first_chunk().ok_or(CUT)? else { return Err(DAMAGED) };
    let header = u32::from_le_bytes([b0, b1, b2, b3]);
    if header >> 29 != 0 {
        return Err(DAMAGED);
    }
    let size = Size { width: (header & 0x3fff) + 1, height: (header >> 14 & 0x3fff) + 1 };
    Ok((size, Data::Lossless(rest, header >> 28 & 1 == 1)))
}

/// Finds the picture among chunks, and the alpha before it.
fn frame<'a>(chunks: &mut Chunks<'a>) -> Result<Frame<'a>, Broken> {
    let mut alpha = None;
    while let Some((name, content)) = chunks.next()? {
        let (size, data) = match &name {
            b"VP8 " => lossy(content)?,
            b"VP8L" => lossless(content)?,
            b"ALPH" => {
                alpha = alpha.or(Some(content));
                continue;
            }
            _ => continue,
        };
        return Ok(Frame { left: 0, top: 0, size, alpha, data });
    }
    Err(Broken("it has no picture"))
}

/// Reads a frame of an animation. RFC 9649, 2.7.1.1.
fn animated(content: &[u8], canvas: Size) -> Result<Frame<'_>, Broken> {
    let (&[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, _, _, _, _], rest) =
        content.split_first_chunk().ok_or(CUT)?;
    let (left, top) = (2 * number(x0, x1, x2), 2 * number(y0, y1, y2));
    let size = Size { width: number(w0, w1, w2) + 1, height: number(h0, h1, h2) + 1 };
    let frame = Frame { left, top, ..frame(&mut Chunks(rest))? };
    if frame.size != size {
        return Err(Broken("its first frame is not of the size that is told"));
    }
    if left + size.width > canvas.width || top + size.height > canvas.height {
        return Err(Broken("its first frame is larger than its canvas"));
    }
    Ok(frame)
}

fn container(bytes: &[u8]) -> Result<Container<'_>, Broken> {
    let (&[_, _, _, _, l0, l1, l2, l3], rest) = bytes.split_first_chunk().ok_or(CUT)?;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| CUT)?;
    let body = rest.get(..length).ok_or(CUT)?;
    let mut chunks = Chunks(body.get(4..).ok_or(CUT)?);
    let mut ahead = Chunks(chunks.0);
    let Some(header) = ahead.next()?.filter(|(name, _)| name == b"VP8X").map(|(_, header)| header) else {
        let frame = frame(&mut chunks)?;
        return Ok(Container { canvas: frame.size, frame: Frame { alpha: None, ..frame }, exif: None, profile: None });
    };
    let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = header.first_chunk().ok_or(CUT)?;
    let canvas = Size { width: number(w0, w1, w2) + 1, height: number(h0, h1, h2) + 1 };
    let (mut exif, mut profile, mut first) = (None, None, None);
    let is_animated = flags & 2 != 0;
    let mut before = Chunks(ahead.0);
    while let Some((name, content)) = ahead.next()? {
        match &name {
            b"EXIF" => exif = exif.or(Some(content)),
            b"ICCP" if content.len() <= MAX_PROFILE => profile = profile.or(Some(content)),
            b"ANMF" if is_animated && first.is_none() => first = Some(animated(content, canvas)?),
            _ => {}
        }
    }
    let frame = match first {
        Some(first) => first,
        None if is_animated => return Err(Broken("it has no frame")),
        None => frame(&mut before)?,
    };
    if !is_animated && frame.size != canvas {
        return Err(Broken("its picture is not of the size that is told"));
    }
    Ok(Container { canvas, frame, exif, profile })
}

/// Tells the size of the canvas, and the most memory that decoding takes, in bytes.
pub(crate) fn head(bytes: &[u8]) -> Result<(Size, u64), Broken> {
    let Container { canvas, frame, .. } = container(bytes)?;
    let decoding = match frame.data {
        // Planes, and what the decoder keeps of each block of 256 pixels: 40 bytes, and as many while it grows.
        Data::Lossy(content) => {
            let blocks = u64::from(frame.size.width.div_ceil(16)) * u64::from(frame.size.height.div_ceil(16));
            let alpha = frame.alpha.map_or(0, |_| lossless::memory(frame.size));
            blocks * (384 + 2 * 40) + 3 * content.len() as u64 + alpha
        }
        Data::Lossless(..) => lossless::memory(frame.size),
    };
    Ok((canvas, decoding + Shrinker::memory(canvas, true)))
}

/// Decodes the picture, or the first frame on a canvas that is transparent.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Broken> {
    let Container { canvas, frame, exif, profile } = container(bytes)?;
    let mut shrinker = Shrinker::new(canvas, true);
    let line = |y| Line { y: frame.top + y, x: frame.left, step: 1 };
    match (frame.data, frame.alpha) {
        (Data::Lossless(data, has_alpha), _) => lossless::decode(data, frame.size, |y, row| {
            let hidden = if has_alpha { 0 } else { transforms::BLACK };
            shrinker.row(line(y), row.iter().map(|&pixel| to_rgba(pixel | hidden)));
            Ok(())
        })?,
        (Data::Lossy(data), None) => {
            let planes = planes(data)?;
            let mut colours = Vec::new();
            for y in 0..frame.size.height {
                fill(&planes, y, &mut colours);
                shrinker.row(line(y), colours.iter().map(|&[red, green, blue]| [red, green, blue, 255]));
            }
        }
        (Data::Lossy(data), Some(alpha)) => {
            let planes = planes(data)?;
            let mut colours = Vec::new();
            decode_alpha(alpha, frame.size, |y, alpha| {
                fill(&planes, y, &mut colours);
                let pixels = colours.iter().zip(alpha);
                shrinker.row(line(y), pixels.map(|(&[red, green, blue], &alpha)| [red, green, blue, alpha]));
                Ok(())
            })?;
        }
    }
    let orientation = exif.and_then(|exif| Orientation::of_exif(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)));
    Ok(Decoded {
        picture: shrinker.finish()?,
        orientation: orientation.unwrap_or(Orientation::Upright),
        space: Space::Rgb,
        profile: profile.map(<[u8]>::to_vec),
    })
}

fn planes(data: &[u8]) -> Result<Planes, Broken> {
    Vp8Decoder::decode_frame(data).map_err(|_| DAMAGED)
}

const fn to_rgba(pixel: u32) -> [u8; 4] {
    let [blue, green, red, alpha] = pixel.to_le_bytes();
    [red, green, blue, alpha]
}

/// Decodes the alpha of a lossy frame. RFC 9649, 2.7.1.2.
fn decode_alpha(
    content: &[u8],
    size: Size,
    mut sink: impl FnMut(u32, &[u8]) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let (&header, data) = content.split_first().ok_or(CUT)?;
    let filter = header >> 2 & 3;
    let mut above: Vec<u8> = Vec::new();
    let mut unfilter = |y: u32, row: &mut dyn Iterator<Item = u8>| {
        let unfiltered = unfilter(filter, &above, row);
        sink(y, &unfiltered)?;
        above = unfiltered;
        Ok(())
    };
    match header & 3 {
        0 => {
            let pixels = usize::try_from(size.pixels()).map_err(|_| CUT)?;
            let rows = data.get(..pixels).ok_or(CUT)?.chunks_exact(size.width as usize);
            (0..).zip(rows).try_for_each(|(y, row)| unfilter(y, &mut row.iter().copied()))
        }
        1 => lossless::decode(data, size, |y, row| {
            // Alpha stands where green would.
            unfilter(y, &mut row.iter().map(|&pixel| pixel.to_le_bytes()[1]))
        }),
        _ => Err(Broken("its alpha is compressed in a way that is not known")),
    }
}

fn unfilter(filter: u8, above: &[u8], row: &mut dyn Iterator<Item = u8>) -> Vec<u8> {
    let mut left = above.first().copied().unwrap_or(0);
    let mut top_left = left;
    let tops = above.iter().copied().map(Some).chain(std::iter::repeat(None));
    row.zip(tops)
        .map(|(value, top)| {
            // In the first row all look to the left.
            let foretold = match (filter, top) {
                (0, _) => 0,
                (2, Some(top)) => top,
                (3, Some(top)) => {
                    let sum = i16::from(left) + i16::from(top) - i16::from(top_left);
                    sum.clamp(0, 255).cast_unsigned() as u8
                }
                _ => left,
            };
            left = value.wrapping_add(foretold);
            top_left = top.unwrap_or(0);
            left
        })
        .collect()
}

/// Makes colours of a row, those between the samples of the coarser planes as means of the nearest four.
fn fill(planes: &Planes, y: u32, colours: &mut Vec<[u8; 3]>) {
    let width = usize::from(planes.width);
    let stride = width.next_multiple_of(16);
    let brightness = planes.ybuf.chunks_exact(stride).nth(y as usize).unwrap_or_default();
    let last = u32::from(planes.height).div_ceil(2) - 1;
    let near = y / 2;
    let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(last) };
    let coarse = |plane: &[u8]| {
        let row = |at: u32| plane.chunks_exact(stride / 2).nth(at as usize).unwrap_or_default().iter();
        // Four times what is meant, to be divided once.
        let sums: Vec<u16> = row(near)
            .zip(row(far))
            .take(width.div_ceil(2))
            .map(|(&near, &far)| 3 * u16::from(near) + u16::from(far))
            .collect();
        between(&sums)
    };
    let (blues, reds) = (coarse(&planes.ubuf), coarse(&planes.vbuf));
    colours.clear();
    let samples = brightness.iter().zip(blues).zip(reds).take(width);
    colours.extend(samples.map(|((&y, u), v)| to_rgb(y, u, v)));
}

fn between(sums: &[u16]) -> Vec<u8> {
    let lefts = sums.first().into_iter().chain(sums);
    let rights = sums.iter().skip(1).chain(sums.last());
    let pairs = lefts.zip(sums).zip(rights);
    pairs.flat_map(|((&left, &sum), &right)| [left, right].map(|other| ((3 * sum + other + 8) / 16) as u8)).collect()
}

/// As the reference decoder does it: ITU-R BT.601 from the narrower range of video, in 14 bits of fraction.
fn to_rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    let scaled = |value: u8, by: i32| (i32::from(value) * by) >> 8;
    let y = scaled(y, 19_077);
    let red = y + scaled(v, 26_149) - 14_234;
    let green = y - scaled(u, 6_419) - scaled(v, 13_320) + 8_708;
    let blue = y + scaled(u, 33_050) - 17_685;
    [red, green, blue].map(|value| (value >> 6).clamp(0, 255).cast_unsigned() as u8)
}
