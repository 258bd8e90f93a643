//! Bits and prefix codes of the lossless format.

#![expect(clippy::cast_possible_truncation, reason = "what is cut off is not asked for, or is 0")]

use crate::flaw::Broken;

/// Codes up to this length are looked up.
const LOOKUP: u32 = 8;

const WRONG: Broken = Broken("a prefix code is wrong");

/// Reads numbers, their lowest bit first.
///
/// At the end it goes on with zeros: the caller asks [`check`](Self::check) now and then whether any were taken.
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    held: u64,
    count: u32,
    /// Of those held, and used, the zeros that no byte stands for.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, held: 0, count: 0, invented: 0 }
    }

    /// Sees to it that 32 bits are held at least.
    #[inline]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        let word = if let Some((bytes, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            u32::from_le_bytes(*bytes)
        } else {
            let mut bytes = [0; 4];
            bytes.iter_mut().zip(self.rest).for_each(|(at, &byte)| *at = byte);
            self.invented = self.invented.saturating_add(32 - 8 * self.rest.len() as u32);
            self.rest = &[];
            u32::from_le_bytes(bytes)
        };
        self.held |= u64::from(word) << self.count;
        self.count += 32;
    }

    /// Takes a number of 24 bits at most.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.fill();
        let number = (self.held & ((1 << count) - 1)) as u32;
        self.skip(count);
        number
    }

    #[inline]
    const fn skip(&mut self, count: u32) {
        self.held >>= count;
        self.count -= count;
    }

    /// Refuses data that has ended too early.
    pub(super) const fn check(&self) -> Result<(), Broken> {
        if self.invented > self.count {
            return Err(Broken("its data ends too early"));
        }
        Ok(())
    }
}

/// A prefix code over numbers.
///
/// WebP Lossless Bitstream, 6.2.
pub(super) enum Code {
    /// There is one number only, and it takes no bits.
    One(u16),
    /// There are several.
    Many(Box<Table>),
}

pub(super) struct Table {
    /// For the next bits, the length of the code in four bits and the number in twelve; 0 where the code is longer.
    lookup: Vec<u16>,
    /// How many codes there are of each length.
    counts: [u16; 16],
    /// Numbers by their codes.
    numbers: Vec<u16>,
}

impl Code {
    /// Reads one over this many numbers.
    pub(super) fn read(bits: &mut Bits<'_>, alphabet: u16) -> Result<Self, Broken> {
        if bits.take(1) == 0 {
            let lengths = lengths(bits, alphabet)?;
            return Self::of_lengths(&lengths);
        }
        let is_pair = bits.take(1) == 1;
        let width = if bits.take(1) == 1 { 8 } else { 1 };
        let first = bits.take(width) as u16;
        if !is_pair {
            return if first < alphabet { Ok(Self::One(first)) } else { Err(WRONG) };
        }
        let second = bits.take(8) as u16;
        if first >= alphabet || second >= alphabet {
            return Err(WRONG);
        }
        if first == second {
            return Ok(Self::One(first));
        }
        // In the order of the numbers and not of the file, as `libwebp` has it.
        let numbers = vec![first.min(second), first.max(second)];
        let lookup = numbers.iter().map(|number| 1 << 12 | number).collect();
        let mut counts = [0; 16];
        if let Some(count) = counts.get_mut(1) {
            *count = 2;
        }
        Ok(Self::Many(Box::new(Table { lookup, counts, numbers })))
    }

    fn of_lengths(lengths: &[u8]) -> Result<Self, Broken> {
        let mut counts = [0_u16; 16];
        for &length in lengths {
            *counts.get_mut(usize::from(length)).ok_or(WRONG)? += 1;
        }
        if let Some(unused) = counts.first_mut() {
            *unused = 0;
        }
        let mut numbers: Vec<u16> = (0..).zip(lengths).filter(|(_, length)| **length > 0).map(|(n, _)| n).collect();
        numbers.sort_by_key(|&number| lengths.get(usize::from(number)));
        numbers.shrink_to_fit();
        if let [number] = numbers.as_slice() {
            return Ok(Self::One(*number));
        }
        // Codes of all lengths together must use up every sequence of bits.
        let used: u32 = (0..).zip(&counts).map(|(length, &count)| u32::from(count) << (15 - length)).sum();
        if used != 1 << 15 {
            return Err(WRONG);
        }
        let longest = (0..).zip(&counts).filter(|(_, count)| **count > 0).map(|(length, _)| length).max().unwrap_or(0);
        let width = LOOKUP.min(longest);
        let mut lookup = vec![0; 1 << width];
        let (mut code, mut ordered) = (0_u32, numbers.iter());
        for (length, &count) in (0_u32..).zip(&counts).take(1 + width as usize).skip(1) {
            code <<= 1;
            for &number in ordered.by_ref().take(count.into()) {
                let first = code.reverse_bits() >> (32 - length);
                let places = lookup.iter_mut().skip(first as usize).step_by(1 << length);
                places.for_each(|at| *at = (length as u16) << 12 | number);
                code += 1;
            }
        }
        Ok(Self::Many(Box::new(Table { lookup, counts, numbers })))
    }

    /// The next number.
    #[inline]
    pub(super) fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, Broken> {
        match self {
            Self::One(number) => Ok(*number),
            Self::Many(table) => table.decode(bits),
        }
    }
}

impl Table {
    #[inline]
    fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, Broken> {
        bits.fill();
        let place = bits.held as usize & (self.lookup.len() - 1);
        let entry = self.lookup.get(place).copied().unwrap_or(0);
        if entry != 0 {
            bits.skip(u32::from(entry >> 12));
            return Ok(entry & 0xfff);
        }
        self.decode_long(bits)
    }

    fn decode_long(&self, bits: &mut Bits<'_>) -> Result<u16, Broken> {
        let (mut code, mut first, mut place) = (0_u32, 0_u32, 0_u32);
        for (length, &count) in (0_u32..).zip(&self.counts).skip(1) {
            code = code << 1 | (bits.held >> (length - 1) & 1) as u32;
            first <<= 1;
            if code < first + u32::from(count) {
                bits.skip(length);
                return self.numbers.get((place + code - first) as usize).copied().ok_or(WRONG);
            }
            place += u32::from(count);
            first += u32::from(count);
        }
        Err(WRONG)
    }
}

/// Reads the lengths of codes, which are coded themselves.
fn lengths(bits: &mut Bits<'_>, alphabet: u16) -> Result<Vec<u8>, Broken> {
    const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut of_lengths = [0; 19];
    let count = 4 + bits.take(4) as usize;
    for &place in ORDER.iter().take(count) {
        *of_lengths.get_mut(place).ok_or(WRONG)? = bits.take(3) as u8;
    }
    let code = Code::of_lengths(&of_lengths)?;
    let mut coded = u32::from(alphabet);
    if bits.take(1) == 1 {
        let width = 2 + 2 * bits.take(3);
        coded = 2 + bits.take(width);
        if coded > u32::from(alphabet) {
            return Err(WRONG);
        }
    }
    let alphabet = usize::from(alphabet);
    let mut lengths = Vec::with_capacity(alphabet);
    let mut last = 8;
    while lengths.len() < alphabet && coded > 0 {
        coded -= 1;
        let (length, times) = match code.decode(bits)? {
            16 => (last, 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            length => (length as u8, 1),
        };
        if length > 0 {
            last = length;
        }
        lengths.extend(std::iter::repeat_n(length, times as usize));
    }
    if lengths.len() > alphabet {
        return Err(WRONG);
    }
    bits.check()?;
    lengths.resize(alphabet, 0);
    Ok(lengths)
}
