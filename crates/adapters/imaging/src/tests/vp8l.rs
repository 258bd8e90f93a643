//! Writes lossless WebP of whatever the format allows: transforms in any order, groups of codes, caches and copies,
//! which no encoder at hand uses all of. What the picture shows is left to chance.

#![expect(clippy::cast_possible_truncation, reason = "all numbers here are small")]

use super::fixtures::*;

/// Numbers one after another, their lowest bit first.
#[derive(Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    count: u32,
}

impl Bits {
    pub(super) fn put(&mut self, number: u32, width: u32) {
        for place in 0..width {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(number >> place & 1 == 1) << (self.count % 8);
            self.count += 1;
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A code whose lengths differ by one bit at most, but for a number that has a code of one bit.
struct Code {
    alphabet: u32,
    favourite: Option<u32>,
}

impl Code {
    /// The lower of the lengths, and how many numbers have it: the first.
    const fn shape(&self) -> (u32, u32) {
        let count = self.alphabet - self.favourite.is_some() as u32;
        let length = count.ilog2();
        (length, (2 << length) - count)
    }

    /// The length of the code of a number, and the code.
    fn of(&self, number: u32) -> (u32, u32) {
        let (length, shorter) = self.shape();
        let flat = |number| if number < shorter { (length, number) } else { (length + 1, number + shorter) };
        match self.favourite {
            None => flat(number),
            Some(favourite) if number == favourite => (1, 0),
            Some(favourite) => {
                let (length, code) = flat(number - u32::from(number > favourite));
                (length + 1, 1 << length | code)
            }
        }
    }

    fn describe(&self, bits: &mut Bits) {
        const ORDER: [u32; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let of_lengths = |length| match (self.favourite, self.shape().0) {
            (None, shorter) => (u32::from(length == shorter || length == shorter + 1), u32::from(length > shorter)),
            (Some(_), _) if length == 1 => (2, 0b01),
            (Some(_), shorter) if length == shorter + 1 => (1, 0),
            (Some(_), shorter) if length == shorter + 2 => (2, 0b11),
            _ => (0, 0),
        };
        bits.put(0, 1);
        bits.put(15, 4);
        for length in ORDER {
            bits.put(of_lengths(length).0, 3);
        }
        bits.put(0, 1);
        for number in 0..self.alphabet {
            let (width, code) = of_lengths(self.of(number).0);
            bits.put(code, width);
        }
    }

    fn put(&self, bits: &mut Bits, number: u32) {
        let (length, code) = self.of(number);
        bits.put(code.reverse_bits() >> (32 - length), length);
    }
}

/// The codes of a group.
struct Group([Code; 5]);

impl Group {
    /// Codes that no other group has, if there is a favourite.
    fn new(cache: Option<u32>, favourite: Option<u32>) -> Self {
        let cached = cache.map_or(0, |bits| 1 << bits);
        Self([280 + cached, 256, 256, 256, 40].map(|alphabet| Code { alphabet, favourite }))
    }

    fn describe(&self, bits: &mut Bits) {
        self.0.iter().for_each(|code| code.describe(bits));
    }

    fn pixel(&self, bits: &mut Bits, pixel: u32) {
        let [blue, green, red, alpha] = pixel.to_le_bytes();
        self.0.iter().zip([green, red, blue, alpha]).for_each(|(code, value)| code.put(bits, value.into()));
    }

    fn cached(&self, bits: &mut Bits, place: u32) {
        self.0[0].put(bits, 280 + place);
    }

    fn copy(&self, bits: &mut Bits, length: u32, distance: u32) {
        for (code, first, value) in [(&self.0[0], 256, length - 1), (&self.0[4], 0, distance - 1)] {
            if value < 4 {
                code.put(bits, first + value);
            } else {
                let magnitude = value.ilog2();
                code.put(bits, first + 2 * magnitude + (value >> (magnitude - 1) & 1));
                bits.put(value & ((1 << (magnitude - 1)) - 1), magnitude - 1);
            }
        }
    }
}

/// Chance that repeats itself: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % u64::from(end)) as u32
    }

    fn pixel(&mut self) -> u32 {
        self.below(u32::MAX)
    }
}

/// A picture that is part of the description of another.
fn part_of_description(bits: &mut Bits, pixels: impl Iterator<Item = u32>) {
    bits.put(0, 1);
    let group = Group::new(None, None);
    group.describe(bits);
    pixels.for_each(|pixel| group.pixel(bits, pixel));
}

/// A number for each block of a picture: which size the blocks are, how many there are across, and the numbers.
fn blocks(
    bits: &mut Bits,
    dice: &mut Dice,
    (width, height): (u32, u32),
    number: impl Fn(&mut Dice) -> u32,
) -> (u32, u32, Vec<u32>) {
    let size = 2 + dice.below(8);
    bits.put(size - 2, 3);
    let across = width.div_ceil(1 << size);
    let numbers: Vec<u32> = (0..across * height.div_ceil(1 << size)).map(|_| number(dice)).collect();
    part_of_description(bits, numbers.iter().copied());
    (size, across, numbers)
}

/// Some of the transforms in any order; how wide the picture is then.
fn transforms(bits: &mut Bits, dice: &mut Dice, (mut width, height): (u32, u32)) -> u32 {
    let mut kinds = [0, 1, 2, 3];
    (1..4).for_each(|last| kinds.swap(last, dice.below(last as u32 + 1) as usize));
    for kind in kinds.into_iter().take(dice.below(5) as usize) {
        bits.put(1, 1);
        bits.put(kind, 2);
        match kind {
            0 => drop(blocks(bits, dice, (width, height), |dice| dice.below(14) << 8)),
            1 => drop(blocks(bits, dice, (width, height), Dice::pixel)),
            2 => {}
            _ => {
                let colours = [1, 2, 3, 4, 5, 16, 17, 256][dice.below(8) as usize];
                bits.put(colours - 1, 8);
                part_of_description(bits, (0..colours).map(|_| dice.pixel()));
                width = width.div_ceil(match colours {
                    ..3 => 8,
                    3..5 => 4,
                    5..17 => 2,
                    _ => 1,
                });
            }
        }
    }
    bits.put(0, 1);
    width
}

/// What follows the header of a picture of this size.
pub(super) fn stream(seed: u64, width: u32, height: u32) -> Vec<u8> {
    let (mut bits, mut dice) = (Bits::default(), Dice(seed));
    let width = transforms(&mut bits, &mut dice, (width, height));
    let cache = (dice.below(2) == 1).then(|| 1 + dice.below(11));
    bits.put(cache.is_some().into(), 1);
    if let Some(cache) = cache {
        bits.put(cache, 4);
    }
    let count = 1 + dice.below(3);
    bits.put(u32::from(count > 1), 1);
    let (block, across, numbers) = if count > 1 {
        blocks(&mut bits, &mut dice, (width, height), |dice| dice.below(count) << 8)
    } else {
        (31, 1, vec![0])
    };
    let groups: Vec<_> = (0..count).map(|_| Group::new(cache, Some(dice.below(40)))).collect();
    // The most that is in use, which counts.
    let used = numbers.iter().map(|number| number >> 8).max().unwrap_or(0) as usize;
    groups.iter().take(used + 1).for_each(|group| group.describe(&mut bits));
    // Places of the cache that hold something: what stands in the others is read by `image-webp` in a way of its own.
    let mut filled = Vec::new();
    let mut at = 0;
    while at < width * height {
        let number = numbers[((at / width).unbounded_shr(block) * across + (at % width).unbounded_shr(block)) as usize];
        let group = &groups[(number >> 8) as usize];
        at += match dice.below(4) {
            0 if !filled.is_empty() => {
                group.cached(&mut bits, filled[dice.below(filled.len() as u32) as usize]);
                1
            }
            1 if at > 0 => {
                let length = 1 + dice.below((width * height - at).min(40));
                // Codes of the neighbourhood reach eight columns and seven rows back; above them are the distances.
                let is_near = at > 7 * width + 8 && dice.below(2) == 0;
                let distance = if is_near { 1 + dice.below(120) } else { 121 + dice.below(at) };
                group.copy(&mut bits, length, distance);
                length
            }
            _ => {
                let pixel = dice.pixel();
                group.pixel(&mut bits, pixel);
                filled.extend(cache.map(|cache| pixel.wrapping_mul(0x1e35_a7bd) >> (32 - cache)));
                1
            }
        };
    }
    bits.into_bytes()
}

/// What stands in the chunk of a picture of this size.
pub(super) fn content(seed: u64, width: u32, height: u32) -> Vec<u8> {
    let header = (width - 1) | (height - 1) << 14 | 1 << 28;
    [&[0x2f], header.to_le_bytes().as_slice(), &stream(seed, width, height)].concat()
}

/// A picture of this size.
pub(super) fn file(seed: u64, width: u32, height: u32) -> Vec<u8> {
    webp_of(&[riff(*b"VP8L", &content(seed, width, height))])
}

/// Two pixels a side, the second of which is copied from so far back.
pub(super) fn reaching_back(distance: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0, 3);
    let group = Group::new(None, None);
    group.describe(&mut bits);
    group.pixel(&mut bits, 0);
    group.copy(&mut bits, 3, 120 + distance);
    webp_of(&[riff(*b"VP8L", &[&[0x2f, 1, 0x40, 0, 0], bits.into_bytes().as_slice()].concat())])
}

/// Two pixels a side: `first`, what the second of two places of a cache holds, what the first holds, and `first` again.
pub(super) fn out_of_cache(first: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    // No transform, a cache of one bit, and one group.
    bits.put(0b110, 7);
    let group = Group::new(Some(1), None);
    group.describe(&mut bits);
    group.pixel(&mut bits, first);
    group.cached(&mut bits, 1);
    group.cached(&mut bits, 0);
    group.pixel(&mut bits, first);
    webp_of(&[riff(*b"VP8L", &[&[0x2f, 1, 0x40, 0, 0x10], bits.into_bytes().as_slice()].concat())])
}
