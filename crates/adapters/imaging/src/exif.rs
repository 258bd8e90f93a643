//! The one thing that is read of metadata: how the camera was held.

use crate::picture::Picture;

/// What must be done to a picture as it was stored so that it is upright.
///
/// CIPA DC-008 (Exif), 4.6.5.1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orientation {
    Upright,
    Mirrored,
    UpsideDown,
    Flipped,
    Transposed,
    OnItsLeft,
    Transversed,
    OnItsRight,
}

impl Orientation {
    /// Reads the tag of the first directory of a TIFF structure; none where it is damaged or says nothing.
    pub(crate) fn of_exif(tiff: &[u8]) -> Option<Self> {
        let tiff = Tiff::new(tiff)?;
        let directory = usize::try_from(tiff.long(4)?).ok()?;
        let count = usize::from(tiff.short(directory)?);
        (0..count).find_map(|entry| {
            let at = directory.checked_add(2 + 12 * entry)?;
            let (tag, kind) = (tiff.short(at)?, tiff.short(at + 2)?);
            // A SHORT stands in the entry itself.
            if (tag, kind) == (0x0112, 3) { Self::of_number(tiff.short(at + 8)?) } else { None }
        })
    }

    const fn of_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Upright,
            2 => Self::Mirrored,
            3 => Self::UpsideDown,
            4 => Self::Flipped,
            5 => Self::Transposed,
            6 => Self::OnItsLeft,
            7 => Self::Transversed,
            8 => Self::OnItsRight,
            _ => return None,
        })
    }

    /// Whether columns become rows, and from which ends the columns and the rows of the stored picture are read.
    const fn turns(self) -> (bool, bool, bool) {
        match self {
            Self::Upright => (false, false, false),
            Self::Mirrored => (false, true, false),
            Self::UpsideDown => (false, true, true),
            Self::Flipped => (false, false, true),
            Self::Transposed => (true, false, false),
            Self::OnItsLeft => (true, false, true),
            Self::Transversed => (true, true, true),
            Self::OnItsRight => (true, true, false),
        }
    }

    /// Makes a picture upright.
    pub(crate) fn apply(self, picture: Picture) -> Picture {
        if self == Self::Upright {
            return picture;
        }
        let (is_turned, from_right, from_bottom) = self.turns();
        let side = picture.side as usize;
        let (stored, _) = picture.pixels.as_chunks::<4>();
        let places = (0..side).flat_map(|y| (0..side).map(move |x| if is_turned { (y, x) } else { (x, y) }));
        let pixel = |(x, y): (usize, usize)| {
            let x = if from_right { side - 1 - x } else { x };
            let y = if from_bottom { side - 1 - y } else { y };
            stored.get(y * side + x).copied().unwrap_or_default()
        };
        Picture { pixels: places.flat_map(pixel).collect(), ..picture }
    }
}

/// TIFF 6.0, section 2: numbers in the order of bytes that the beginning tells.
struct Tiff<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first_chunk()? {
            b"II*\0" => Some(Self { bytes, is_big_endian: false }),
            b"MM\0*" => Some(Self { bytes, is_big_endian: true }),
            _ => None,
        }
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}
