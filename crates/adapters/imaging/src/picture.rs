//! Small squares of pixels.

use crate::colour::Space;
use crate::exif::Orientation;

/// The side of the largest file, in pixels.
pub(crate) const RENDERED: u32 = 512;

/// A square of pixels of four bytes: red, green, blue and alpha, not multiplied with one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) side: u32,
    pub(crate) pixels: Vec<u8>,
    pub(crate) is_opaque: bool,
}

/// What a decoder gives: the square around the centre, at about the size of the largest file, as it was stored.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) picture: Picture,
    pub(crate) orientation: Orientation,
    pub(crate) space: Space,
    /// What the colours mean, where the file says so: an ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
}
