//! The lossless format, and with it compressed alpha.
//!
//! Written here because of what the crate at hand does: `image-webp` holds all pixels at once, and makes as many tables
//! of codes as a file asks for, 65,536 times five of 4 KiB, which a file of 4 MiB can. Here rows go as they come, and
//! what is held is as far back as the format may refer: 4 MiB, the tables, and one number for each 16 pixels and
//! transform.

#![expect(clippy::cast_possible_truncation, reason = "codes other than the first have 256 numbers; a row fits")]

use super::codes::{Bits, Code};
use super::transforms::{Blocks, Transform, add};
use crate::flaw::{Broken, Size};

/// How far back a copy may begin, in pixels: the longest distance that can be told.
const HISTORY: usize = 1 << 20;
/// The most groups of codes; encoders make 2,600 at most.
const MAX_GROUPS: usize = 4_096;
/// The most bytes of a group: two for each number of its five codes, with the largest cache, and two for each of 256
/// places of the tables in which short codes are looked up.
const GROUP: usize = 10 * 1_024;
/// Numbers of the five codes of a group: green with lengths, red, blue, alpha and distances.
const ALPHABETS: [u16; 5] = [256 + 24, 256, 256, 256, 40];

const DAMAGED: Broken = Broken("its data is damaged or cut");

/// The nearest pixels, left and above, in the order of their codes: columns back and rows up.
#[rustfmt::skip]
const NEAR: [(i32, u32); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1), (2, 2), (-2, 2),
    (0, 3), (3, 0), (1, 3), (-1, 3), (3, 1), (-3, 1), (2, 3), (-2, 3), (3, 2), (-3, 2), (0, 4), (4, 0),
    (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3), (2, 4), (-2, 4), (4, 2), (-4, 2), (0, 5), (3, 4),
    (-3, 4), (4, 3), (-4, 3), (5, 0), (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2),
    (4, 4), (-4, 4), (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0), (1, 6), (-1, 6), (6, 1), (-6, 1),
    (2, 6), (-2, 6), (6, 2), (-6, 2), (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6), (6, 3), (-6, 3),
    (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1), (4, 6), (-4, 6), (6, 4), (-6, 4),
    (2, 7), (-2, 7), (7, 2), (-7, 2), (3, 7), (-3, 7), (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5),
    (8, 0), (4, 7), (-4, 7), (7, 4), (-7, 4), (8, 1), (8, 2), (6, 6), (-6, 6), (8, 3), (5, 7), (-5, 7),
    (7, 5), (-7, 5), (8, 4), (6, 7), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];

/// The most memory that decoding takes, in bytes.
pub(super) fn memory(size: Size) -> u64 {
    // Two transforms and the groups have a number for each 16 pixels at most. Any picture may name the last group.
    let blocks = 3 * 4 * (u64::from(size.width.div_ceil(4)) * u64::from(size.height.div_ceil(4)));
    let groups = (MAX_GROUPS * GROUP) as u64;
    blocks + groups + 4 * size.pixels().next_power_of_two().min(HISTORY as u64)
}

/// Decodes what follows the header of a picture, and gives its rows from top to bottom.
pub(super) fn decode(
    bytes: &[u8],
    size: Size,
    mut sink: impl FnMut(u32, &[u32]) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut bits = Bits::new(bytes);
    let (mut transforms, width) = transforms(&mut bits, size)?;
    let mut undone = Vec::new();
    let packed = Size { width, height: size.height };
    pixels(&mut bits, packed, true, &mut |y, row| {
        undone.clear();
        undone.extend_from_slice(row);
        transforms.iter_mut().rev().for_each(|transform| transform.undo(y, &mut undone));
        sink(y, &undone)
    })
}

/// Reads the transforms, and tells how many pixels a row has that is transformed.
fn transforms(bits: &mut Bits<'_>, size: Size) -> Result<(Vec<Transform>, u32), Broken> {
    let mut transforms = Vec::new();
    let mut seen = [false; 4];
    let mut width = size.width;
    while bits.take(1) == 1 {
        let kind = bits.take(2);
        if std::mem::replace(seen.get_mut(kind as usize).ok_or(DAMAGED)?, true) {
            return Err(Broken("it has a transform twice"));
        }
        transforms.push(match kind {
            0 => Transform::Predict(blocks(bits, Size { width, ..size })?, Vec::new()),
            1 => Transform::Cross(blocks(bits, Size { width, ..size })?),
            2 => Transform::SubtractGreen,
            _ => {
                let count = bits.take(8) + 1;
                let mut colours = whole(bits, Size { width: count, height: 1 })?;
                let mut last = 0_u32;
                for colour in &mut colours {
                    last = add(*colour, last);
                    *colour = last;
                }
                let packed = match count {
                    ..3 => 3,
                    3..5 => 2,
                    5..17 => 1,
                    _ => 0,
                };
                let index = Transform::Index { colours, packed, width };
                width = width.div_ceil(1 << packed);
                index
            }
        });
    }
    Ok((transforms, width))
}

/// Reads a number for each block of a picture.
fn blocks(bits: &mut Bits<'_>, size: Size) -> Result<Blocks, Broken> {
    let block = bits.take(3) + 2;
    let size = Size { width: size.width.div_ceil(1 << block), height: size.height.div_ceil(1 << block) };
    Ok(Blocks { bits: block, across: size.width as usize, pixels: whole(bits, size)? })
}

/// Reads a picture that is part of the description of another.
fn whole(bits: &mut Bits<'_>, size: Size) -> Result<Vec<u32>, Broken> {
    let mut all = Vec::with_capacity(usize::try_from(size.pixels()).map_err(|_| DAMAGED)?);
    pixels(bits, size, false, &mut |_, row| {
        all.extend_from_slice(row);
        Ok(())
    })?;
    Ok(all)
}

/// Colours that were there lately, by a digest of them.
struct Cache {
    bits: u32,
    colours: Vec<u32>,
}

impl Cache {
    fn insert(&mut self, pixel: u32) {
        let place = pixel.wrapping_mul(0x1e35_a7bd) >> (32 - self.bits);
        if let Some(at) = self.colours.get_mut(place as usize) {
            *at = pixel;
        }
    }
}

/// Codes that a block of pixels shares.
type Group = [Code; 5];

/// Which group is for which block.
struct Groups {
    blocks: Option<Blocks>,
    groups: Vec<Group>,
}

impl Groups {
    fn read(bits: &mut Bits<'_>, size: Size, is_main: bool, cache: Option<&Cache>) -> Result<Self, Broken> {
        let mut blocks = None;
        let mut count = 1;
        if is_main && bits.take(1) == 1 {
            let mut numbered = self::blocks(bits, size)?;
            for pixel in &mut numbered.pixels {
                *pixel = *pixel >> 8 & 0xffff;
                count = count.max(*pixel as usize + 1);
            }
            blocks = Some(numbered);
        }
        if count > MAX_GROUPS {
            return Err(Broken("it has more than 4096 groups of codes"));
        }
        let mut groups = Vec::new();
        for _ in 0..count {
            let [green, red, blue, alpha, distance] = ALPHABETS;
            let cached = cache.map_or(0, |cache| 1 << cache.bits);
            groups.push([
                Code::read(bits, green + cached)?,
                Code::read(bits, red)?,
                Code::read(bits, blue)?,
                Code::read(bits, alpha)?,
                Code::read(bits, distance)?,
            ]);
        }
        Ok(Self { blocks, groups })
    }

    /// The group for a pixel, and how many pixels from there on to the right have it too.
    fn at(&self, x: u32, y: u32) -> Option<(&Group, u32)> {
        let Some(Blocks { bits, across, pixels }) = &self.blocks else {
            return Some((self.groups.first()?, u32::MAX));
        };
        let block = (y >> bits) as usize * across + (x >> bits) as usize;
        let group = self.groups.get(*pixels.get(block)? as usize)?;
        Some((group, (1 << bits) - (x & ((1 << bits) - 1))))
    }
}

/// Takes rows of pixels, with their lines.
type Sink<'a> = dyn FnMut(u32, &[u32]) -> Result<(), Broken> + 'a;

/// What was decoded so far: the row that is not full, and what may be referred to.
struct Output<'a> {
    width: u32,
    y: u32,
    row: Vec<u32>,
    history: Vec<u32>,
    count: usize,
    cache: Option<Cache>,
    sink: &'a mut Sink<'a>,
}

impl Output<'_> {
    #[inline]
    fn push(&mut self, pixel: u32) -> Result<(), Broken> {
        let place = self.count & (self.history.len() - 1);
        if let Some(at) = self.history.get_mut(place) {
            *at = pixel;
        }
        self.count += 1;
        if let Some(cache) = &mut self.cache {
            cache.insert(pixel);
        }
        self.row.push(pixel);
        if self.row.len() == self.width as usize {
            (self.sink)(self.y, &self.row)?;
            self.y += 1;
            self.row.clear();
        }
        Ok(())
    }

    fn copy(&mut self, distance: usize, length: u32) -> Result<(), Broken> {
        if distance > self.count || distance > self.history.len() {
            return Err(Broken("it refers to pixels before its first"));
        }
        for _ in 0..length {
            let place = (self.count - distance) & (self.history.len() - 1);
            let pixel = self.history.get(place).copied().unwrap_or(0);
            self.push(pixel)?;
        }
        Ok(())
    }
}

/// Decodes pixels. WebP Lossless Bitstream, 5 and 6.
fn pixels<'a>(bits: &mut Bits<'_>, size: Size, is_main: bool, sink: &'a mut Sink<'a>) -> Result<(), Broken> {
    let mut cache = None;
    if bits.take(1) == 1 {
        let bits = bits.take(4);
        if !(1..=11).contains(&bits) {
            return Err(Broken("its cache of colours has a wrong size"));
        }
        cache = Some(Cache { bits, colours: vec![0; 1 << bits] });
    }
    let groups = Groups::read(bits, size, is_main, cache.as_ref())?;
    let total = usize::try_from(size.pixels()).map_err(|_| DAMAGED)?;
    let history = vec![0; total.next_power_of_two().min(HISTORY)];
    let mut output = Output {
        width: size.width,
        y: 0,
        row: Vec::with_capacity(size.width as usize),
        history,
        count: 0,
        cache,
        sink,
    };
    while output.count < total {
        bits.check()?;
        let x = output.row.len() as u32;
        let (group, run) = groups.at(x, output.y).ok_or(DAMAGED)?;
        let [green, red, blue, alpha, distance] = group;
        let end = output.count + run.min(size.width - x) as usize;
        while output.count < end {
            let number = green.decode(bits)?;
            if let Ok(green) = u8::try_from(number) {
                let red = red.decode(bits)? as u8;
                let blue = blue.decode(bits)? as u8;
                let alpha = alpha.decode(bits)? as u8;
                output.push(u32::from_le_bytes([blue, green, red, alpha]))?;
            } else if let Some(place) = number.checked_sub(256 + 24) {
                let cache = output.cache.as_ref().and_then(|cache| cache.colours.get(usize::from(place)));
                let pixel = *cache.ok_or(DAMAGED)?;
                output.push(pixel)?;
            } else {
                let length = prefixed(bits, number - 256);
                let code = distance.decode(bits)?;
                let distance = distance_of(prefixed(bits, code), size.width);
                if length as usize > total - output.count {
                    return Err(DAMAGED);
                }
                output.copy(distance, length)?;
                break;
            }
        }
    }
    bits.check()
}

/// A number that is told by its magnitude and its lower bits.
fn prefixed(bits: &mut Bits<'_>, prefix: u16) -> u32 {
    let prefix = u32::from(prefix);
    if prefix < 4 {
        return prefix + 1;
    }
    let extra = (prefix - 2) >> 1;
    ((2 + (prefix & 1)) << extra) + bits.take(extra) + 1
}

/// How far back a code for a distance goes, in pixels.
fn distance_of(code: u32, width: u32) -> usize {
    let near = NEAR.get((code as usize).wrapping_sub(1));
    let distance = match near {
        Some(&(back, up)) => i64::from(up) * i64::from(width) + i64::from(back),
        None => i64::from(code) - 120,
    };
    usize::try_from(distance.max(1)).unwrap_or(usize::MAX)
}
