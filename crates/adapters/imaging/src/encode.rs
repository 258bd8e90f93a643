//! The files that are kept.

use frontdesk_profile::avatar::{PictureFormat, RenderedFile};
use jpeg_encoder::{ColorType, SamplingFactor};

use crate::flaw::Broken;
use crate::picture::Picture;

const QUALITY: u8 = 80;
const FAILED: Broken = Broken("it cannot be encoded");

/// Encodes a picture: without alpha as a JPEG, else as a PNG.
pub(crate) fn encode(picture: &Picture) -> Result<RenderedFile, Broken> {
    if picture.is_opaque {
        Ok(RenderedFile { format: PictureFormat::Jpeg, bytes: jpeg(picture)? })
    } else {
        Ok(RenderedFile { format: PictureFormat::Png, bytes: png(picture)? })
    }
}

fn jpeg(picture: &Picture) -> Result<Vec<u8>, Broken> {
    let side = u16::try_from(picture.side).map_err(|_| FAILED)?;
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.encode(&picture.pixels, side, side, ColorType::Rgba).map_err(|_| FAILED)?;
    Ok(bytes)
}

fn png(picture: &Picture) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.side, picture.side);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|_| FAILED)?;
    writer.write_image_data(&picture.pixels).map_err(|_| FAILED)?;
    writer.finish().map_err(|_| FAILED)?;
    Ok(bytes)
}
