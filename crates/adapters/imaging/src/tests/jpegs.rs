//! What encoders of JPEG do.

use jpeg_encoder::SamplingFactor;
use proptest::prelude::*;

use super::fixtures::*;
use crate::jpeg;

/// How far what is decoded is from what was drawn, of the square around the centre, as the mean of all colours.
fn difference(bytes: &[u8], drawn: &Raster) -> f64 {
    let seen = jpeg::decode(bytes).unwrap().picture;
    let side = drawn.width.min(drawn.height);
    assert_eq!(seen.side, side);
    let (left, top) = ((drawn.width - side) / 2, (drawn.height - side) / 2);
    let drawn = (0..side).flat_map(|y| (0..side).flat_map(move |x| drawn.at(left + x, top + y)));
    let sum: u32 = seen.pixels.iter().zip(drawn).map(|(seen, drawn)| u32::from(seen.abs_diff(drawn))).sum();
    f64::from(sum) / f64::from(4 * side * side)
}

const SAMPLINGS: [SamplingFactor; 8] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
    SamplingFactor::F_1_4,
    SamplingFactor::F_2_4,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_encoded_shows_what_was_drawn(
        width in 1_u32..120,
        height in 1_u32..120,
        sampling in 0..SAMPLINGS.len(),
        scans in proptest::option::of(2_u8..21),
        restarts in proptest::option::of(1_u16..9),
        is_optimized: bool,
        quality in 80_u8..100,
    ) {
        let shade = |at: u32, of: u32| u8::try_from(20 + 200 * at / of).unwrap();
        let drawn = Raster::new(width, height, |x, y| {
            [shade(x, width), shade(y, height), shade(x + y, width + height), 255]
        });
        let bytes = jpeg_with(&drawn, |encoder| {
            encoder.set_quality(quality);
            encoder.set_sampling_factor(SAMPLINGS[sampling]);
            // The encoder cannot do both.
            encoder.set_optimized_huffman_tables(is_optimized && restarts.is_none());
            if let Some(scans) = scans {
                encoder.set_progressive_scans(scans);
            }
            if let Some(restarts) = restarts {
                encoder.set_restart_interval(restarts);
            }
        });
        // In a small picture, colours that are kept for several pixels at once change a lot.
        let tolerance = if width.min(height) < 40 { 40.0 } else { 8.0 };
        let difference = difference(&bytes, &drawn);
        prop_assert!(difference <= tolerance, "{difference}");
    }
}

#[test]
fn progressive_scans_that_refine_give_the_same_as_one_scan() {
    for raster in [Raster::waves(300, 200), Raster::quarters(2_300, 2_100)] {
        let plain = jpeg_with(&raster, |encoder| encoder.set_sampling_factor(SamplingFactor::R_4_2_0));
        let progressive = jpeg_with(&raster, |encoder| {
            encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
            encoder.set_progressive(true);
        });
        assert!(jpeg::decode(&plain).unwrap().picture == jpeg::decode(&progressive).unwrap().picture);
    }
}

#[test]
fn bytes_between_segments_and_restarts_before_the_end_are_passed_over() {
    let plain = jpeg(&Raster::quarters(40, 40));
    let padded =
        [&plain[..2], &[0xff, 0xff], &plain[2..plain.len() - 2], &[0xff, 0xd3, 0xff, 0xff, 0xff, 0xd9]].concat();
    assert!(jpeg::decode(&plain).unwrap().picture == jpeg::decode(&padded).unwrap().picture);
}

#[test]
fn what_stands_behind_the_end_is_not_looked_at() {
    let plain = jpeg(&Raster::quarters(40, 40));
    let video = [plain.clone(), plain[..plain.len() / 2].to_vec()].concat();
    assert!(jpeg::decode(&plain).unwrap().picture == jpeg::decode(&video).unwrap().picture);
}
