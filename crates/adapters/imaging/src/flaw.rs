//! What may be wrong with a picture.

/// A picture that cannot be decoded, and what is wrong with it, in words of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It begins as none of the types that are.
    Unsupported,
    /// See there.
    Broken(Broken),
    /// It is over the limit that the text names.
    TooLarge(&'static str, Size),
}

impl From<Broken> for Refusal {
    fn from(flaw: Broken) -> Self {
        Self::Broken(flaw)
    }
}

/// A width and a height, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    pub(crate) fn shorter(self) -> u32 {
        self.width.min(self.height)
    }

    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The square around the centre: how far it is from the left and from the top.
    pub(crate) fn margins(self) -> (u32, u32) {
        ((self.width - self.shorter()) / 2, (self.height - self.shorter()) / 2)
    }
}
