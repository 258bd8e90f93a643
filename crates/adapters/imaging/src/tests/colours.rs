//! Kinds of pixels, and what they mean.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 255 is a byte")]

use jpeg_encoder::{ColorType, Encoder};
use moxcms::ColorProfile;

use super::fixtures::*;

fn profile(profile: &ColorProfile) -> Vec<u8> {
    profile.encode().unwrap()
}

fn icc_chunk(profile: &[u8]) -> Vec<u8> {
    chunk(*b"iCCP", &[b"name\0\0".as_slice(), &fdeflate::compress_to_vec(profile)].concat())
}

/// A picture with a colour profile in each container that has a place for it.
fn with_profile(raster: &Raster, icc: &[u8]) -> [Vec<u8>; 3] {
    let jpeg = jpeg_with(raster, |encoder| encoder.add_icc_profile(icc).unwrap());
    let png = Png { chunks: icc_chunk(icc), ..Png::RGB }.of(raster, |[red, green, blue, _]| vec![red, green, blue]);
    let webp =
        webp_of(&[vp8x(0x20, raster.width, raster.height), riff(*b"ICCP", icc), riff(*b"VP8L", &lossless(raster))]);
    [jpeg, png, webp]
}

/// What a colour of Display P3 is in sRGB, by the definitions of both.
fn from_p3(colour: [u8; 4]) -> [u8; 4] {
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let encoded = |value: f64| {
        let value = value.clamp(0.0, 1.0);
        let value = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
        (value * 255.0).round() as u8
    };
    let [red, green, blue, alpha] = colour;
    let [red, green, blue] = [linear(red), linear(green), linear(blue)];
    [
        encoded(1.224_94 * red - 0.224_94 * green),
        encoded(-0.042_06 * red + 1.042_06 * green),
        encoded(-0.019_64 * red - 0.078_64 * green + 1.098_28 * blue),
        alpha,
    ]
}

#[test]
fn colours_of_a_profile_become_those_of_srgb() {
    let colour = [180, 90, 60, 255];
    let meant = from_p3(colour);
    assert!(meant[0].abs_diff(colour[0]) > 8);
    for bytes in with_profile(&Raster::filled(40, 40, colour), &profile(&ColorProfile::new_display_p3())) {
        assert_near(large(&bytes).at(20, 20), meant, 4);
    }
}

#[test]
fn a_profile_that_is_damaged_or_of_other_colours_is_as_none() {
    let colour = [180, 90, 60, 255];
    let p3 = profile(&ColorProfile::new_display_p3());
    let grey = profile(&ColorProfile::new_gray_with_gamma(1.0));
    for icc in [p3[..p3.len() / 2].to_vec(), vec![7; 500], grey, p3[..20].to_vec()] {
        for bytes in with_profile(&Raster::filled(40, 40, colour), &icc) {
            assert_near(large(&bytes).at(20, 20), colour, 4);
        }
    }
}

#[test]
fn a_profile_of_grey_is_applied_to_grey() {
    let raster = Raster::filled(30, 30, [128, 128, 128, 255]);
    let chunks = icc_chunk(&profile(&ColorProfile::new_gray_with_gamma(1.0)));
    let bytes = Png { depth: 8, colours: 0, chunks, ..Png::default() }.of(&raster, |pixel| vec![pixel[0]]);
    assert_near(large(&bytes).at(15, 15), [188, 188, 188, 255], 3);
}

#[test]
fn a_profile_that_inflates_without_end_is_as_none() {
    let colour = [180, 90, 60, 255];
    let chunks = icc_chunk(&vec![0; 16 * 1_024 * 1_024]);
    let raster = Raster::filled(30, 30, colour);
    let bytes = Png { chunks, ..Png::RGB }.of(&raster, |[red, green, blue, _]| vec![red, green, blue]);
    assert_near(large(&bytes).at(15, 15), colour, 4);
}

#[test]
fn inks_become_light() {
    let inks: Vec<u8> = (0..32 * 32).flat_map(|_| [0_u8, 128, 255, 51]).collect();
    for kind in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        for is_progressive in [false, true] {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 95);
            encoder.set_progressive(is_progressive);
            encoder.encode(&inks, 32, 32, kind).unwrap();
            // 204 = 255 - 51 is what black lets through.
            assert_near(large(&bytes).at(16, 16), [204, 102, 0, 255], 6);
        }
    }
}

#[test]
fn inks_that_libjpeg_stored_become_the_light_that_it_shows() {
    // Cyan and magenta with a fifth of black above, yellow and four fifths of black below; stored inverted, behind an
    // Adobe marker, once as they are and once as brightness and colour.
    for bytes in [include_bytes!("fixtures/cmyk.jpg").as_slice(), include_bytes!("fixtures/ycck.jpg")] {
        let meant = [[0, 255, 255, 255], [204, 0, 204, 255], [255, 255, 0, 255], [51, 51, 51, 255]];
        assert_quarters(&large(bytes), meant);
    }
}

#[test]
fn grey_stays_grey() {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 90).encode(&[90; 30 * 30], 30, 30, ColorType::Luma).unwrap();
    assert_near(large(&bytes).at(15, 15), [90, 90, 90, 255], 2);
}

/// What a pixel is in a file.
type Sample = dyn Fn([u8; 4]) -> Vec<u8>;

#[test]
fn every_kind_of_png_shows_its_colours() {
    let raster = Raster::quarters(37, 37);
    let grey = |[red, ..]: [u8; 4]| [red, red, red, 255];
    for is_interlaced in [false, true] {
        let rgb16 = |[red, green, blue, _]: [u8; 4]| vec![red, 1, green, 2, blue, 3];
        let kinds: [(u8, u8, Box<Sample>, bool); 6] = [
            (8, 0, Box::new(|[red, ..]| vec![red]), true),
            (16, 0, Box::new(|[red, ..]| vec![red, 9]), true),
            (8, 4, Box::new(|[red, .., alpha]| vec![red, alpha]), true),
            (8, 2, Box::new(|[red, green, blue, _]| vec![red, green, blue]), false),
            (16, 2, Box::new(rgb16), false),
            (16, 6, Box::new(move |pixel| [rgb16(pixel), vec![pixel[3], 255]].concat()), false),
        ];
        for (depth, colours, sample, is_grey) in kinds {
            let bytes = Png { depth, colours, is_interlaced, ..Png::default() }.of(&raster, sample);
            let meant = [RED, GREEN, BLUE, WHITE].map(|colour| if is_grey { grey(colour) } else { colour });
            assert_quarters(&large(&bytes), meant);
        }
    }
}

#[test]
fn numbers_of_a_palette_show_its_colours() {
    let palette: Vec<u8> = [RED, GREEN, BLUE, WHITE].iter().flat_map(|colour| colour[..3].to_vec()).collect();
    let number = |pixel: [u8; 4]| [RED, GREEN, BLUE, WHITE].iter().position(|&colour| colour == pixel).unwrap();
    let chunks = chunk(*b"PLTE", &palette);
    let layout = Png { depth: 8, colours: 3, chunks, ..Png::default() };
    let bytes = layout.of(&Raster::quarters(30, 30), |pixel| vec![u8::try_from(number(pixel)).unwrap()]);
    assert_quarters(&large(&bytes), [RED, GREEN, BLUE, WHITE]);
    // Four to a byte.
    let rows: Vec<u8> = [[0, 0b00_00_01_01]; 2].into_iter().chain([[0, 0b10_10_11_11]; 2]).flatten().collect();
    let bytes = Png { depth: 2, ..layout }.of_rows(4, 4, &rows);
    assert_near(large(&bytes).at(0, 0), RED, 60);
}

#[test]
fn a_colour_that_is_told_to_be_transparent_is() {
    let chunks = [chunk(*b"PLTE", &[200, 0, 0, 0, 200, 0]), chunk(*b"tRNS", &[0])].concat();
    let of_palette = Png { depth: 8, colours: 3, chunks, ..Png::default() }.of_rows(2, 1, &[0, 0, 1]);
    let of_grey = Png { depth: 8, colours: 0, chunks: chunk(*b"tRNS", &[0, 7]), ..Png::default() };
    assert_eq!(large(&of_palette).at(0, 0)[3], 0);
    assert_eq!(large(&of_grey.of_rows(1, 1, &[0, 7])).at(0, 0)[3], 0);
}

#[test]
fn interlacing_makes_no_difference() {
    for side in [1, 2, 3, 5, 9, 33, 2_300] {
        let raster = Raster::waves(side + 2, side);
        let sample = |[red, green, blue, _]: [u8; 4]| vec![red, green, blue, 200];
        let plain = large(&Png::RGBA.of(&raster, sample));
        let interlaced = large(&Png { is_interlaced: true, ..Png::RGBA }.of(&raster, sample));
        assert!(plain.pixels == interlaced.pixels, "{side}");
        let few = Raster::quarters(side + 2, side);
        let interlaced = gif_of(side + 2, side, &[(0, 0, &few, true)]);
        assert!(large(&gif(&few)).pixels == large(&interlaced).pixels, "{side}");
    }
}

#[test]
fn only_the_first_frame_is_shown() {
    let (first, second) = (Raster::quarters(32, 32), Raster::filled(32, 32, BLUE));
    let frames = |raster: &Raster| anmf(0, 0, 32, 32, &riff(*b"VP8L", &lossless(raster)));
    let lossy = anmf(0, 0, 32, 32, &riff(*b"VP8 ", &lossy()));
    for bytes in [
        gif_of(32, 32, &[(0, 0, &first, false), (0, 0, &second, false)]),
        webp_of(&[vp8x(2, 32, 32), riff(*b"ANIM", &[0; 6]), frames(&first), frames(&second)]),
        webp_of(&[vp8x(2, 32, 32), riff(*b"ANIM", &[0; 6]), lossy, frames(&second)]),
    ] {
        assert_quarters(&large(&bytes), [RED, GREEN, BLUE, WHITE]);
    }
}

#[test]
fn a_frame_stands_at_its_place_on_a_canvas_that_is_transparent() {
    let small = Raster::filled(20, 20, GREEN);
    let frame = anmf(20, 20, 20, 20, &riff(*b"VP8L", &lossless(&small)));
    for bytes in [
        gif_of(40, 40, &[(20, 20, &small, false)]),
        gif_of(40, 40, &[(20, 20, &small, true)]),
        webp_of(&[vp8x(2, 40, 40), riff(*b"ANIM", &[255; 6]), frame]),
    ] {
        assert_quarters(&large(&bytes), [[0; 4], [0; 4], [0; 4], GREEN]);
    }
}

#[test]
fn a_transparent_gif_is_transparent() {
    let raster = Raster::new(20, 20, |x, _| if x < 10 { [0; 4] } else { GREEN });
    assert_quarters(&large(&gif(&raster)), [[0; 4], GREEN, [0; 4], GREEN]);
}

#[test]
fn lossy_webp_shows_its_colours_and_its_alpha() {
    assert_quarters(&large(&webp_of(&[riff(*b"VP8 ", &lossy())])), [RED, GREEN, BLUE, WHITE]);
    let seen = large(&lossy_with_alpha());
    assert_eq!((seen.at(5, 0)[3], seen.at(5, 31)[3]), (4, 251));
    assert_near(seen.at(24, 24), [WHITE[0], WHITE[1], WHITE[2], 197], 12);
}
