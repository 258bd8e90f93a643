//! Orientation, metadata, cropping and sizes.

use frontdesk_profile::avatar::{AvatarSize, PictureFormat};
use proptest::prelude::*;

use super::fixtures::*;
use crate::exif::Orientation;

/// The quarters as a camera stores them that is held so, for a picture that is meant to show red and green above.
fn stored(orientation: u16) -> Raster {
    let [above, below] = [[RED, GREEN], [BLUE, WHITE]];
    let quarters = match orientation {
        1 => [above, below],
        2 => [[GREEN, RED], [WHITE, BLUE]],
        3 => [[WHITE, BLUE], [GREEN, RED]],
        4 => [below, above],
        5 => [[RED, BLUE], [GREEN, WHITE]],
        6 => [[GREEN, WHITE], [RED, BLUE]],
        7 => [[WHITE, GREEN], [BLUE, RED]],
        _ => [[BLUE, RED], [WHITE, GREEN]],
    };
    Raster::new(48, 32, |x, y| quarters[usize::from(y >= 16)][usize::from(x >= 24)])
}

/// A picture with Exif in each container that has a place for it.
fn with_exif(raster: &Raster, exif: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let jpeg = jpeg_with(raster, |encoder| encoder.add_exif_metadata(exif).unwrap());
    let png = Png { chunks: chunk(*b"eXIf", exif), ..Png::RGBA }.of(raster, |pixel| pixel.to_vec());
    let header = vp8x(0x18, raster.width, raster.height);
    let webp = webp_of(&[header, riff(*b"VP8L", &lossless(raster)), riff(*b"EXIF", exif)]);
    [("JPEG", jpeg), ("PNG", png), ("WebP", webp)]
}

#[test]
fn every_orientation_comes_out_upright_in_every_container() {
    for orientation in 1..=8 {
        for is_big_endian in [false, true] {
            for (container, bytes) in with_exif(&stored(orientation), &exif(orientation, is_big_endian)) {
                let seen = large(&bytes);
                assert_eq!((seen.width, seen.height), (32, 32), "{container} {orientation}");
                assert_quarters(&seen, [RED, GREEN, BLUE, WHITE]);
            }
        }
    }
}

#[test]
fn an_orientation_that_does_not_exist_turns_nothing() {
    for orientation in [0, 9, 65_535] {
        for (_, bytes) in with_exif(&stored(1), &exif(orientation, true)) {
            assert_quarters(&large(&bytes), [RED, GREEN, BLUE, WHITE]);
        }
    }
}

#[test]
fn exif_that_points_out_of_itself_turns_nothing() {
    for at in 0..30 {
        let mut hostile = exif(6, true);
        hostile[at] = 0xff;
        hostile.truncate(8 + at);
        for (container, bytes) in with_exif(&stored(1), &hostile) {
            assert!(try_render(&bytes).is_ok(), "{container} {at}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_stands_where_exif_should_is_harmless(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        at in 0_usize..64,
    ) {
        Orientation::of_exif(&bytes);
        let mut nearly = exif(6, false);
        let at = at % nearly.len();
        nearly.splice(at.., bytes);
        Orientation::of_exif(&nearly);
    }
}

#[test]
fn nothing_that_a_file_carries_besides_its_pixels_is_kept() {
    let raster = Raster::quarters(32, 32);
    let text = b"CANARY-CANARY-CANARY".as_slice();
    let carrying_jpeg = jpeg_with(&raster, |encoder| {
        encoder.add_exif_metadata(&exif(1, true)).unwrap();
        encoder.add_icc_profile(text).unwrap();
        encoder.add_app_segment(1, [b"http://ns.adobe.com/xap/1.0/\0".as_slice(), text].concat()).unwrap();
        encoder.add_app_segment(13, [b"Photoshop 3.0\0".as_slice(), text].concat()).unwrap();
    });
    let comment = [&[0xff, 0xfe, 0, 22], text].concat();
    let carrying_jpeg = [&carrying_jpeg[..2], &comment, &carrying_jpeg[2..], b"<?php CANARY"].concat();
    let chunks = [
        chunk(*b"tEXt", &[b"Comment\0".as_slice(), text].concat()),
        chunk(*b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), text].concat()),
        chunk(*b"eXIf", &exif(1, true)),
        chunk(*b"caNa", text),
    ];
    let carrying_png = Png { chunks: chunks.concat(), ..Png::RGBA }.of(&raster, |pixel| pixel.to_vec());
    let carrying_png = [carrying_png, b"<script>CANARY".to_vec()].concat();
    let picture = riff(*b"VP8L", &lossless(&raster));
    let more = [riff(*b"ICCP", text), picture, riff(*b"EXIF", &exif(1, true)), riff(*b"XMP ", text)];
    let carrying_webp = webp_of(&[vec![vp8x(0x2c, 32, 32)], more.to_vec(), vec![riff(*b"CANA", text)]].concat());
    let plain_gif = gif(&raster);
    let comment = [b"\x21\xfe\x14".as_slice(), text, &[0]].concat();
    let image = plain_gif.windows(2).position(|block| block == [0x21, 0xf9] || block[0] == 0x2c).unwrap();
    let carrying_gif = [&plain_gif[..image], &comment, &plain_gif[image..], text].concat();
    let translucent = Png { chunks: chunks.concat(), ..Png::RGBA }.of(&raster, |[r, g, b, _]| vec![r, g, b, 99]);
    for bytes in [carrying_jpeg, carrying_png, carrying_webp, carrying_gif, translucent] {
        for (_, file) in try_render(&bytes).unwrap().files.iter() {
            assert!(!file.bytes.windows(6).any(|bytes| bytes == b"CANARY"));
        }
    }
}

#[test]
fn the_square_is_cut_around_the_centre() {
    let wide = Raster::new(90, 30, |x, _| if (30..60).contains(&x) { GREEN } else { RED });
    let tall = Raster::new(30, 90, |_, y| if (30..60).contains(&y) { GREEN } else { RED });
    for raster in [wide, tall] {
        for bytes in [jpeg(&raster), png(&raster), gif(&raster), webp(&raster)] {
            let seen = large(&bytes);
            assert_eq!((seen.width, seen.height), (30, 30));
            assert_quarters(&seen, [GREEN; 4]);
            assert_near(seen.at(1, 1), GREEN, 20);
            assert_near(seen.at(28, 28), GREEN, 20);
        }
    }
}

fn sides(bytes: &[u8]) -> Vec<(u32, u32)> {
    let rendered = try_render(bytes).unwrap();
    rendered.files.iter().map(|(_, file)| shown(file)).map(|seen| (seen.width, seen.height)).collect()
}

#[test]
fn every_size_is_a_square_and_none_is_larger_than_the_picture() {
    for (width, height, side) in [(1, 1, 1), (12_000, 3, 3), (3, 12_000, 3), (100, 300, 100), (700, 2_000, 700)] {
        let meant: Vec<_> = AvatarSize::ALL.map(|size| (size.side().min(side), size.side().min(side))).to_vec();
        let raster = Raster::quarters(width, height);
        for bytes in [jpeg(&raster), png(&raster), gif(&raster), webp(&raster)] {
            assert_eq!(sides(&bytes), meant, "{width} x {height}");
        }
    }
}

#[test]
fn large_pictures_look_like_small_ones() {
    for side in [511, 513, 1_023, 1_025, 2_047, 2_048, 3_100] {
        let raster = Raster::quarters(side + 300, side);
        for bytes in [jpeg(&raster), png(&raster), gif(&raster), webp(&raster)] {
            let seen = large(&bytes);
            assert_quarters(&seen, [RED, GREEN, BLUE, WHITE]);
            assert_near(seen.at(2, 2), RED, 12);
            assert_near(seen.at(seen.width - 3, seen.width - 3), WHITE, 12);
        }
    }
}

#[test]
fn alpha_survives_with_the_colours_behind_it() {
    let raster = Raster::new(64, 64, |x, y| [200, 100, 50, if (x < 32) == (y < 32) { 10 } else { 130 }]);
    for bytes in [png(&raster), webp(&raster)] {
        let rendered = try_render(&bytes).unwrap();
        assert_eq!(rendered.files.large.format, PictureFormat::Png);
        assert_eq!(shown(&rendered.files.large).pixels, raster.pixels);
    }
}

#[test]
fn colours_that_are_not_seen_do_not_bleed_into_those_that_are() {
    let raster =
        Raster::new(2_200, 2_200, |x, y| if x / 3 % 2 == y / 3 % 2 { [255, 255, 255, 0] } else { [200, 0, 0, 255] });
    for bytes in [png(&raster), webp(&raster)] {
        let seen = large(&bytes);
        let worst = seen.pixels.iter().filter(|pixel| pixel[3] > 60).map(|pixel| pixel[1]).max();
        assert!(worst.unwrap() < 8, "{worst:?}");
    }
}

#[test]
fn alpha_that_hides_nothing_makes_a_jpeg() {
    let raster = Raster::quarters(40, 40);
    for bytes in [png(&raster), webp(&raster), gif(&raster)] {
        let rendered = try_render(&bytes).unwrap();
        assert!(rendered.files.iter().all(|(_, file)| file.format == PictureFormat::Jpeg));
    }
}

#[test]
fn what_is_cut_away_does_not_decide_how_the_rest_is_encoded() {
    let raster = Raster::new(60, 20, |x, _| if x < 20 { [0, 0, 0, 0] } else { RED });
    assert_eq!(try_render(&png(&raster)).unwrap().files.large.format, PictureFormat::Jpeg);
}

#[test]
fn one_pixel_of_alpha_makes_all_sizes_a_png() {
    let raster = Raster::new(600, 600, |x, y| if (x, y) == (3, 3) { [0, 0, 0, 254] } else { RED });
    let rendered = try_render(&png(&raster)).unwrap();
    assert!(rendered.files.iter().all(|(_, file)| file.format == PictureFormat::Png));
}
