//! What encoders do to pixels so that they compress better, undone row by row.

#![expect(clippy::cast_possible_truncation, reason = "colours are counted around 256")]

/// Pixels are alpha, red, green and blue, from the highest byte.
pub(super) const BLACK: u32 = 0xff00_0000;

/// Numbers for blocks of pixels, `1 << bits` a side.
pub(super) struct Blocks {
    pub(super) bits: u32,
    pub(super) across: usize,
    pub(super) pixels: Vec<u32>,
}

impl Blocks {
    /// Those of the blocks of a row, each for as many pixels as it has.
    fn row(&self, y: u32) -> impl Iterator<Item = u32> {
        let start = (y >> self.bits) as usize * self.across;
        let row = self.pixels.iter().skip(start).take(self.across);
        row.flat_map(|&pixel| std::iter::repeat_n(pixel, 1 << self.bits))
    }
}

/// WebP Lossless Bitstream, 4.
pub(super) enum Transform {
    /// A pixel is told by how it differs from what its neighbours foretell.
    Predict(Blocks, Vec<u32>),
    /// Red and blue are told by how they differ from what the other colours foretell.
    Cross(Blocks),
    /// Red and blue are told by how they differ from green.
    SubtractGreen,
    /// A pixel is a number in a table; small numbers are packed.
    Index {
        /// The table.
        colours: Vec<u32>,
        /// How many numbers are in a pixel, as a power of two.
        packed: u32,
        /// Pixels in a row once it is undone.
        width: u32,
    },
}

impl Transform {
    /// Undoes it in a row. Rows must come from top to bottom.
    pub(super) fn undo(&mut self, y: u32, row: &mut Vec<u32>) {
        match self {
            Self::Predict(modes, above) => {
                predict(modes, y, row, above);
                above.clone_from(row);
            }
            Self::Cross(multipliers) => {
                for (pixel, multiplier) in row.iter_mut().zip(multipliers.row(y)) {
                    *pixel = uncross(*pixel, multiplier);
                }
            }
            Self::SubtractGreen => {
                for pixel in row {
                    let green = *pixel >> 8 & 0xff;
                    *pixel = add(*pixel, green << 16 | green);
                }
            }
            Self::Index { colours, packed, width } => {
                let (bits, per_pixel) = (8 >> *packed, 1_u32 << *packed);
                let number = |pixel: u32, place: u32| (pixel >> 8 & 0xff) >> (place * bits) & ((1 << bits) - 1);
                let numbers = row.iter().flat_map(|&pixel| (0..per_pixel).map(move |place| number(pixel, place)));
                let pixels = numbers.map(|number| colours.get(number as usize).copied().unwrap_or(0));
                *row = pixels.take(*width as usize).collect();
            }
        }
    }
}

/// The sum of each byte by itself.
pub(super) const fn add(one: u32, other: u32) -> u32 {
    let even = (one & 0xff00_ff00).wrapping_add(other & 0xff00_ff00) & 0xff00_ff00;
    let odd = (one & 0x00ff_00ff).wrapping_add(other & 0x00ff_00ff) & 0x00ff_00ff;
    even | odd
}

/// The mean of each byte by itself.
const fn mean(one: u32, other: u32) -> u32 {
    (((one ^ other) & 0xfefe_fefe) >> 1) + (one & other)
}

fn bytes_of(one: u32, other: u32, third: u32, of: impl Fn(i32, i32, i32) -> i32) -> u32 {
    let [one, other, third] = [one, other, third].map(u32::to_le_bytes);
    let bytes = one.iter().zip(&other).zip(&third);
    bytes.rev().fold(0, |pixel, ((&one, &other), &third)| {
        pixel << 8 | of(one.into(), other.into(), third.into()).clamp(0, 255).cast_unsigned()
    })
}

/// Whichever of left and top is nearer to what the three neighbours foretell.
fn select(left: u32, top: u32, top_left: u32) -> u32 {
    let distance = |one: u32, other: u32| -> u32 {
        one.to_le_bytes().iter().zip(other.to_le_bytes()).map(|(&one, other)| u32::from(one.abs_diff(other))).sum()
    };
    if distance(top, top_left) < distance(left, top_left) { left } else { top }
}

/// WebP Lossless Bitstream, 4.1.
fn foretell(mode: u32, left: u32, top: u32, top_right: u32, top_left: u32) -> u32 {
    match mode {
        1 => left,
        2 => top,
        3 => top_right,
        4 => top_left,
        5 => mean(mean(left, top_right), top),
        6 => mean(left, top_left),
        7 => mean(left, top),
        8 => mean(top_left, top),
        9 => mean(top, top_right),
        10 => mean(mean(left, top_left), mean(top, top_right)),
        11 => select(left, top, top_left),
        12 => bytes_of(left, top, top_left, |left, top, top_left| left + top - top_left),
        13 => bytes_of(mean(left, top), top_left, 0, |mean, top_left, _| mean + (mean - top_left) / 2),
        _ => BLACK,
    }
}

fn predict(modes: &Blocks, y: u32, row: &mut [u32], above: &[u32]) {
    let Some((first, others)) = row.split_first_mut() else { return };
    if y == 0 {
        let mut left = add(*first, BLACK);
        *first = left;
        for pixel in others {
            left = add(*pixel, left);
            *pixel = left;
        }
        return;
    }
    let mut left = add(*first, above.first().copied().unwrap_or(BLACK));
    *first = left;
    // Right of the last pixel above comes, in the order of the data, the first of this row.
    let tops = above.iter().zip(above.iter().skip(1)).zip(above.iter().skip(2).chain(std::iter::once(&*first)));
    for ((pixel, ((&top_left, &top), &top_right)), mode) in others.iter_mut().zip(tops).zip(modes.row(y).skip(1)) {
        left = add(*pixel, foretell(mode >> 8 & 15, left, top, top_right, top_left));
        *pixel = left;
    }
}

/// WebP Lossless Bitstream, 4.2.
fn uncross(pixel: u32, multiplier: u32) -> u32 {
    let product = |one: u8, other: u8| i32::from(one.cast_signed()) * i32::from(other.cast_signed());
    let delta = |multiplier: u8, colour: u8| (product(multiplier, colour) >> 5).cast_unsigned() as u8;
    let [blue, green, red, alpha] = pixel.to_le_bytes();
    let [green_to_red, green_to_blue, red_to_blue, _] = multiplier.to_le_bytes();
    let red = red.wrapping_add(delta(green_to_red, green));
    let blue = blue.wrapping_add(delta(green_to_blue, green)).wrapping_add(delta(red_to_blue, red));
    u32::from_le_bytes([blue, green, red, alpha])
}
