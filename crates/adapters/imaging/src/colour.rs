//! To sRGB.

#![expect(clippy::cast_possible_truncation, reason = "light divided by the most light is a byte")]

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::picture::Picture;

/// The most bytes of a profile that is looked at.
pub(crate) const MAX_PROFILE: usize = 2 * 1_024 * 1_024;

/// What the bytes of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Red, green, blue and alpha.
    Rgb,
    /// The same, and the first three are alike.
    Grey,
    /// How much there is of four inks.
    Cmyk,
}

/// Makes sRGB of whatever the pixels are; a profile that cannot be used is as none.
pub(crate) fn to_srgb(picture: &mut Picture, space: Space, profile: Option<&[u8]>) {
    let is_done = profile.and_then(|profile| by_profile(picture, space, profile)).is_some();
    if !is_done && space == Space::Cmyk {
        let (pixels, _) = picture.pixels.as_chunks_mut::<4>();
        for pixel in pixels {
            let [cyan, magenta, yellow, black] = *pixel;
            let light = |ink: u8| (u16::from(255 - ink) * u16::from(255 - black) / 255) as u8;
            *pixel = [light(cyan), light(magenta), light(yellow), 255];
        }
    }
}

fn by_profile(picture: &mut Picture, space: Space, profile: &[u8]) -> Option<()> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let (layout, pixels) = match (space, profile.color_space) {
        (Space::Rgb | Space::Grey, DataColorSpace::Rgb) | (Space::Cmyk, DataColorSpace::Cmyk) => {
            (Layout::Rgba, picture.pixels.clone())
        }
        (Space::Grey, DataColorSpace::Gray) => {
            (Layout::GrayAlpha, picture.pixels.as_chunks::<4>().0.iter().flat_map(|&[grey, .., a]| [grey, a]).collect())
        }
        _ => return None,
    };
    let target = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let transform = profile.create_transform_8bit(layout, &target, Layout::Rgba, options).ok()?;
    let mut converted = vec![255; picture.pixels.len()];
    transform.transform(&pixels, &mut converted).ok()?;
    picture.pixels = converted;
    Some(())
}
