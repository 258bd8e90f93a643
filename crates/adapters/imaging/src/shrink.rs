//! Shrinking of pixels as they come, so that no large picture is ever held.

#![expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte")]

use crate::flaw::{Broken, Size};
use crate::picture::{Picture, RENDERED};
use crate::resize;

/// Pixels of a side that are kept at least, where there are so many: enough for a good filter to go on with.
pub(crate) const KEEP: u32 = 2 * RENDERED;

/// Takes rows of pixels in any order, and keeps the square around the centre, shrunk by a whole number.
///
/// A pixel that is kept is the mean of those that it stands for, weighed by their alpha. What no row tells stays
/// transparent.
pub(crate) struct Shrinker {
    size: Size,
    factor: u32,
    side: u32,
    /// Sums of red, green and blue, each times alpha, and of alpha; of one row of the square, or of all.
    sums: Vec<[u32; 4]>,
    /// The row of the square that the sums are of; none where they are of all.
    row: Option<u32>,
    pixels: Vec<u8>,
    opaque: u64,
}

/// Where the pixels of a row lie: the line, the first column, and how far apart they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) y: u32,
    pub(crate) x: u32,
    pub(crate) step: u32,
}

fn scale(size: Size) -> (u32, u32) {
    let factor = (size.shorter() / KEEP).max(1);
    (factor, size.shorter() / factor)
}

impl Shrinker {
    /// Prepares for the rows of a picture; `in_order` promises them from top to bottom, which takes less memory.
    pub(crate) fn new(picture: Size, in_order: bool) -> Self {
        let (factor, side) = scale(picture);
        let sums = match (factor, in_order) {
            (1, _) => 0,
            (_, true) => side as usize,
            (_, false) => side as usize * side as usize,
        };
        Self {
            size: picture,
            factor,
            side,
            sums: vec![[0; 4]; sums],
            row: in_order.then_some(0),
            pixels: vec![0; side as usize * side as usize * 4],
            opaque: 0,
        }
    }

    /// The most memory that it takes, in bytes, that of scaling what was kept included.
    pub(crate) fn memory(picture: Size, in_order: bool) -> u64 {
        let (factor, side) = scale(picture);
        let square = u64::from(side) * u64::from(side);
        let sums = if factor == 1 || in_order { 0 } else { 16 * square };
        // Scaling a picture with alpha copies it.
        sums + 8 * square
    }

    /// Takes a row.
    pub(crate) fn row(&mut self, line: Line, pixels: impl Iterator<Item = [u8; 4]>) {
        let (left, top) = self.margins();
        let Some(down) = line.y.checked_sub(top).filter(|down| *down < self.side * self.factor) else { return };
        let missed = left.saturating_sub(line.x).div_ceil(line.step);
        let first = line.x + missed * line.step - left;
        let pixels = pixels.skip(missed as usize);
        if self.factor == 1 {
            self.copy(down, (first, line.step), pixels);
        } else {
            self.add(down / self.factor, (first, line.step), pixels);
        }
    }

    fn margins(&self) -> (u32, u32) {
        // What does not divide by the factor is cut off at both sides.
        let kept = self.side * self.factor;
        ((self.size.width - kept) / 2, (self.size.height - kept) / 2)
    }

    fn copy(&mut self, down: u32, (first, step): (u32, u32), pixels: impl Iterator<Item = [u8; 4]>) {
        let width = self.side as usize;
        let Some(row) = self.pixels.chunks_exact_mut(width * 4).nth(down as usize) else { return };
        let (row, _) = row.as_chunks_mut::<4>();
        for (at, pixel) in row.iter_mut().skip(first as usize).step_by(step as usize).zip(pixels) {
            self.opaque += u64::from(pixel[3] == 255);
            *at = pixel;
        }
    }

    fn add(&mut self, down: u32, (first, step): (u32, u32), mut pixels: impl Iterator<Item = [u8; 4]>) {
        let start = match self.row {
            Some(row) => {
                if row != down {
                    self.finish_row(row);
                    self.row = Some(down);
                }
                0
            }
            None => down * self.side,
        };
        let sums = self.sums.iter_mut().skip(start as usize).take(self.side as usize);
        let (mut next, mut end) = (first, 0);
        for sum in sums {
            end += self.factor;
            while next < end {
                let Some([red, green, blue, alpha]) = pixels.next() else { return };
                let [reds, greens, blues, alphas] = sum;
                let weight = u32::from(alpha);
                *reds += u32::from(red) * weight;
                *greens += u32::from(green) * weight;
                *blues += u32::from(blue) * weight;
                *alphas += weight;
                self.opaque += u64::from(alpha == 255);
                next += step;
            }
        }
    }

    fn finish_row(&mut self, row: u32) {
        let width = self.side as usize;
        if let Some(pixels) = self.pixels.chunks_exact_mut(width * 4).nth(row as usize) {
            average(&self.sums, pixels, self.factor);
        }
        self.sums.fill([0; 4]);
    }

    /// Gives the square, scaled to the largest size that is rendered.
    pub(crate) fn finish(mut self) -> Result<Picture, Broken> {
        if self.factor > 1 {
            match self.row {
                Some(row) => self.finish_row(row),
                None => average(&self.sums, &mut self.pixels, self.factor),
            }
        }
        let told = u64::from(self.side * self.factor).pow(2);
        let Self { side, pixels, opaque, sums, .. } = self;
        drop(sums);
        let picture = Picture { side, pixels, is_opaque: opaque == told };
        if side <= RENDERED { Ok(picture) } else { resize::shrink(&picture, RENDERED) }
    }
}

fn average(sums: &[[u32; 4]], pixels: &mut [u8], factor: u32) {
    let (pixels, _) = pixels.as_chunks_mut::<4>();
    let count = factor * factor;
    for (pixel, &[red, green, blue, alpha]) in pixels.iter_mut().zip(sums) {
        let weighed = |sum: u32| ((sum + alpha / 2).checked_div(alpha).unwrap_or(0)) as u8;
        *pixel = [weighed(red), weighed(green), weighed(blue), ((alpha + count / 2) / count) as u8];
    }
}
