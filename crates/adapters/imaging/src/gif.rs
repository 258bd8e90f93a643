//! GIF: the first frame, row by row. What comes after it is never looked at.

use gif::{DecodeOptions, Decoder};

use crate::colour::Space;
use crate::exif::Orientation;
use crate::flaw::{Broken, Size};
use crate::picture::Decoded;
use crate::shrink::{Line, Shrinker};

const CUT: Broken = Broken("it ends too early");

/// Passes over a number of bytes.
fn skip(bytes: &[u8], count: usize) -> Result<&[u8], Broken> {
    bytes.get(count..).ok_or(CUT)
}

const fn table_length(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Tells the size of the canvas, and the most memory that decoding takes, in bytes.
///
/// `GIF89a`, 17 to 20.
pub(crate) fn head(bytes: &[u8]) -> Result<(Size, u64), Broken> {
    let rest = skip(bytes, 6)?;
    let &[w0, w1, h0, h1, flags, ..] = rest.first_chunk::<7>().ok_or(CUT)?;
    let canvas = Size { width: u16::from_le_bytes([w0, w1]).into(), height: u16::from_le_bytes([h0, h1]).into() };
    let mut rest = skip(rest, 7 + table_length(flags))?;
    loop {
        match rest.first().ok_or(CUT)? {
            0x2c => {
                let &[_, l0, l1, t0, t1, w0, w1, h0, h1, flags] = rest.first_chunk().ok_or(CUT)?;
                let number = |low, high| u32::from(u16::from_le_bytes([low, high]));
                let (width, height) = (number(w0, w1), number(h0, h1));
                if number(l0, l1) + width > canvas.width || number(t0, t1) + height > canvas.height {
                    return Err(Broken("its first frame is larger than its canvas"));
                }
                if width == 0 || height == 0 {
                    return Err(Broken("its first frame has no pixels"));
                }
                return Ok((canvas, Shrinker::memory(canvas, flags & 0x40 == 0)));
            }
            0x21 => {
                rest = skip(rest, 2)?;
                // Blocks with their lengths before them, until an empty one.
                loop {
                    let length = usize::from(*rest.first().ok_or(CUT)?);
                    rest = skip(rest, 1 + length)?;
                    if length == 0 {
                        break;
                    }
                }
            }
            _ => return Err(Broken("it has no frame")),
        }
    }
}

/// Lines in the order of the data. `GIF89a`, appendix E.
fn lines(height: u32, is_interlaced: bool) -> impl Iterator<Item = u32> {
    let passes: &[(u32, usize)] = if is_interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
    passes.iter().flat_map(move |&(first, step)| (first..height).step_by(step))
}

/// Decodes the first frame, on a canvas that is transparent.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, Broken> {
    const DAMAGED: Broken = Broken("its first frame is damaged or cut");
    let mut options = DecodeOptions::new();
    options.check_frame_consistency(true);
    options.allow_unknown_blocks(true);
    let mut decoder: Decoder<&[u8]> = options.read_info(bytes).map_err(|_| DAMAGED)?;
    let canvas = Size { width: decoder.width().into(), height: decoder.height().into() };
    let frame = decoder.next_frame_info().map_err(|_| DAMAGED)?.ok_or(Broken("it has no frame"))?;
    let (left, top, transparent, is_interlaced) = (frame.left, frame.top, frame.transparent, frame.interlaced);
    let (width, height) = (frame.width, frame.height);
    let palette = decoder.palette().map_err(|_| DAMAGED)?.to_vec();
    let (colours, _) = palette.as_chunks::<3>();
    // A number without a colour is transparent, as browsers have it.
    let mut pixels = [[0; 4]; 256];
    for ((pixel, &[red, green, blue]), number) in pixels.iter_mut().zip(colours).zip(0_u8..=255) {
        *pixel = if transparent == Some(number) { [0; 4] } else { [red, green, blue, 255] };
    }
    let mut shrinker = Shrinker::new(canvas, !is_interlaced);
    let mut row = vec![0; usize::from(width)];
    for line in lines(height.into(), is_interlaced) {
        if !decoder.fill_buffer(&mut row).map_err(|_| DAMAGED)? {
            return Err(DAMAGED);
        }
        let line = Line { y: u32::from(top) + line, x: left.into(), step: 1 };
        shrinker.row(line, row.iter().map(|&number| pixels.get(usize::from(number)).copied().unwrap_or_default()));
    }
    // The end of the frame must be there, too.
    decoder.fill_buffer(&mut [0]).map_err(|_| DAMAGED)?;
    let picture = shrinker.finish()?;
    Ok(Decoded { picture, orientation: Orientation::Upright, space: Space::Rgb, profile: None })
}
