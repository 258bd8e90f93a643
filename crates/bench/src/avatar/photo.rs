//! Pictures to upload, drawn so that they compress as photographs do.

use std::fmt;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::Outcome;

/// A baseline JPEG with halved chroma, the same on every machine.
#[derive(Clone, Copy)]
pub(super) struct Photo {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) quality: u8,
    /// How much neighbouring pixels differ, of 255: what decides the size of the file.
    pub(super) grain: u32,
}

impl fmt::Display for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

impl Photo {
    pub(super) fn jpeg(&self) -> Outcome<Vec<u8>> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, self.quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.encode(&self.pixels(), self.width, self.height, ColorType::Rgb)?;
        Ok(out)
    }

    /// Slow waves of colour with grain on them.
    fn pixels(&self) -> Vec<u8> {
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let mut state = 0x9E37_79B9_u32;
        let mut pixels = Vec::with_capacity(usize::from(self.width) * usize::from(self.height) * 3);
        for y in 0..height {
            for x in 0..width {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let grain = state % (self.grain + 1);
                for wave in [x * 200 / width, y * 200 / height, (x + y) * 200 / (width + height)] {
                    pixels.push(u8::try_from((wave + grain).min(255)).unwrap_or(u8::MAX));
                }
            }
        }
        pixels
    }
}
