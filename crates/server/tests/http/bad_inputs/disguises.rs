//! Uploads that are no pictures, or more than a picture. What they do to a decoder is tested where the decoders are;
//! here, what they get, and that they change nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use png::{BitDepth, ColorType};

use super::{refusal_in, state, wire};
use crate::on_both_stores;
use crate::pictures::{GLASS, RED, png, png_with, with_segment};
use crate::site::User;
use crate::{Site, Store};

/// What it is, and the refusals that it may get.
type Row<'a> = (&'a str, Vec<u8>, &'a [(u16, &'a str)]);

/// Uploads what has to be refused, and gives the codes that it may get.
async fn refuse(site: &Site, rows: &[Row<'_>]) {
    let user = site.user().await;
    let before = state(site, &user).await;
    for (what, content, refusals) in rows {
        let answer = site.upload(&user, &[("file", content)]).await;
        assert!(refusals.contains(&answer.refusal()), "{what}: {answer:?}");
        if matches!(answer.status, 400 | 415) {
            assert!(answer.json["error"]["details"]["fields"]["file"].is_array(), "{what}: {answer:?}");
        }
    }
    assert_eq!(state(site, &user).await, before);
}

const INVALID: &[(u16, &str)] = &[(400, "validation_failed")];
const OTHER_TYPE: &[(u16, &str)] = &[(415, "unsupported_media_type")];
const EITHER: &[(u16, &str)] = &[(400, "validation_failed"), (415, "unsupported_media_type")];

async fn a_disguise_is_seen_through(store: Store) {
    let site = store.open().await;
    refuse(
        &site,
        &[
            ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec(), OTHER_TYPE),
            (
                "XML",
                b"<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>".to_vec(),
                OTHER_TYPE,
            ),
            ("HTML", b"<!DOCTYPE html><script>alert(1)</script>".to_vec(), OTHER_TYPE),
            ("PDF", b"%PDF-1.7\n1 0 obj<<>>endobj".to_vec(), OTHER_TYPE),
            ("ZIP", b"PK\x03\x04\x14\0\0\0".to_vec(), OTHER_TYPE),
            ("BMP", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0".to_vec(), OTHER_TYPE),
            ("TIFF", b"II*\0\x08\0\0\0\0\0".to_vec(), OTHER_TYPE),
            ("AVIF", b"\0\0\0\x1cftypavif\0\0\0\0".to_vec(), OTHER_TYPE),
            ("one byte", b"x".to_vec(), OTHER_TYPE),
            ("a GIF that is a script", b"GIF89a/*\x01\0\x01\0\0\0*/=1;alert(1)//".to_vec(), INVALID),
            ("no more than a signature", b"\x89PNG\r\n\x1a\n".to_vec(), EITHER),
        ],
    )
    .await;
}

/// Uploads a picture that is taken, and gives all its files in one.
async fn files_of(site: &Site, user: &User, picture: &[u8]) -> Vec<u8> {
    let mut files = Vec::new();
    for path in site.uploaded(user, picture).await {
        files.extend(site.get(&path).await.bytes);
    }
    files
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn nothing_that_travels_in_a_picture_is_kept(store: Store) {
    const CANARY: &str = "<?php canary();";
    let site = store.open().await;
    let user = site.user().await;
    let mut text = Vec::new();
    let mut encoder = png::Encoder::new(&mut text, 9, 9);
    encoder.set_color(ColorType::Grayscale);
    encoder.add_text_chunk("Comment".to_owned(), CANARY.to_owned()).unwrap();
    encoder.add_itxt_chunk("XML:com.adobe.xmp".to_owned(), CANARY.to_owned()).unwrap();
    encoder.write_header().unwrap().write_image_data(&[7; 81]).unwrap();
    let jpeg = site.get(&site.uploaded(&user, &png(99, 99, RED)).await[3]).await.bytes;
    let exif = [b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0".as_slice(), CANARY.as_bytes()].concat();
    for (what, picture) in [
        ("behind a PNG", [png(99, 99, RED), CANARY.into()].concat()),
        ("behind a JPEG", [jpeg.clone(), CANARY.into()].concat()),
        ("in a comment", with_segment(&jpeg, 0xfe, CANARY.as_bytes())),
        ("in Exif", with_segment(&jpeg, 0xe1, &exif)),
        ("in text", text),
    ] {
        assert!(contains(&picture, CANARY), "{what}");
        assert!(!contains(&files_of(&site, &user, &picture).await, "canary"), "{what}");
    }
}

fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let checked = [kind, content].concat();
    let crc = !checked.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, checked.as_slice(), &crc.to_be_bytes()].concat()
}

/// A PNG that says how large it is, and has next to nothing of it.
fn hollow(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, colour, 0, 0, 0]].concat();
    let data = b"\x78\x9c\x63\0\0\0\x01\0\x01";
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &head), chunk(b"IDAT", data), chunk(b"IEND", b"")].concat()
}

async fn a_bomb_is_told_by_its_header(store: Store) {
    let site = store.open().await;
    let gif = BASE64_STANDARD.decode("R0lGODn//3//gAAAACH5BAAAAAAALAAAAAAB///9/AAA=").unwrap_or_default();
    let sound = [b"GIF89a\xff\xff\xff\x7f\x80\0\0\0\0\0\xff\xff\xff".as_slice(), b",\0\0\0\0\xff\xff\xff\x7f\0\x02\0;"]
        .concat();
    let canvas = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xfe\x3f\0\xfe\x3f\0\0\0";
    refuse(
        &site,
        &[
            ("65,535 x 65,535", hollow(65_535, 65_535, 2), INVALID),
            ("50,000 x 50,000", hollow(50_000, 50_000, 0), INVALID),
            ("16,384 x 16,384", hollow(16_384, 16_384, 6), INVALID),
            ("0 x 0", hollow(0, 0, 2), INVALID),
            ("1 x 100,000", hollow(1, 100_000, 2), INVALID),
            ("12,001 x 1", hollow(12_001, 1, 2), INVALID),
            ("a GIF of 35 bytes", gif, EITHER),
            ("a GIF of 65,535 x 32,767", sound, INVALID),
            ("a WebP canvas of 16,383 x 16,383", canvas.to_vec(), INVALID),
        ],
    )
    .await;
}

async fn text_that_inflates_is_not_inflated(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 9, 9);
    encoder.set_color(ColorType::Grayscale);
    encoder.add_ztxt_chunk("Comment".to_owned(), "x".repeat(64 << 20)).unwrap();
    encoder.write_header().unwrap().write_image_data(&[7; 81]).unwrap();
    let answer = site.upload(&user, &[("file", &picture)]).await;
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
}

async fn a_broken_picture_is_refused_whichever_part_it_is(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let whole = png(99, 99, GLASS);
    let jpeg = site.get(&site.uploaded(&user, &png(99, 99, RED)).await[3]).await.bytes;
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    refuse(
        &site,
        &[
            ("half a PNG", whole[..whole.len() / 2].to_vec(), INVALID),
            ("a PNG without its end", whole[..whole.len() - 12].to_vec(), INVALID),
            ("a PNG with a wrong sum", flipped.clone(), INVALID),
            ("half a JPEG", jpeg[..jpeg.len() / 2].to_vec(), INVALID),
            ("the beginning of a JPEG", jpeg[..20].to_vec(), INVALID),
        ],
    )
    .await;
    let before = state(&site, &user).await;
    let answer = site.upload(&user, &[("file", &whole), ("small", &flipped)]).await;
    assert_eq!(answer.refusal(), (400, "validation_failed"));
    assert!(answer.json["error"]["details"]["fields"]["small"].is_array(), "{answer:?}");
    assert_eq!(state(&site, &user).await, before);
}

async fn pictures_of_every_kind_become_the_same_kind(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (what, colour, depth, pixels) in [
        ("grey", ColorType::Grayscale, BitDepth::Eight, 64),
        ("16 bit", ColorType::Rgb, BitDepth::Sixteen, 64 * 6),
        ("a bit a pixel", ColorType::Grayscale, BitDepth::One, 8),
        ("palette", ColorType::Indexed, BitDepth::Eight, 64),
        ("16 bit with alpha", ColorType::Rgba, BitDepth::Sixteen, 64 * 8),
    ] {
        let picture = png_with(8, 8, colour, depth, &vec![1; pixels]);
        let path = &site.uploaded(&user, &picture).await[3];
        let expected = if colour == ColorType::Rgba { ".png" } else { ".jpg" };
        assert!(path.ends_with(expected), "{what}: {path}");
    }
}

async fn a_path_that_was_not_given_out_is_not_there(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let path = site.uploaded(&user, &png(9, 9, RED)).await[2].clone();
    let picture = path.split('/').nth(3).unwrap();
    for wrong in [
        path.replace(&user.id, &other.id),
        path.replace(&user.id, &user.id.to_uppercase()),
        path.replace(&user.id, &user.id.replace('-', "")),
        path.replace(picture, &picture.to_uppercase()),
        path.replace(picture, &"0".repeat(32)),
        path.replace(picture, picture.get(1..).unwrap()),
        path.replace("medium.jpg", "medium.png"),
        path.replace("medium.jpg", "medium.jpg%00"),
        path.replace("medium.jpg", "medium.jpg%00.png"),
        path.replace("medium.jpg", "Medium.jpg"),
        path.replace("medium.jpg", "medium.svg"),
        path.replace("medium.jpg", "medium"),
        path.replace("medium.jpg", "..%2fmedium.jpg"),
        path.replace("medium.jpg", "%2e%2e/medium.jpg"),
        path.replace("medium.jpg", "../medium.jpg"),
        path.replace("medium.jpg", "medium.jpg/"),
        format!("/avatars/..%2f..%2fetc/{picture}/medium.jpg"),
        "/avatars/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        format!("/avatars/{}/..%2f{}%2f{picture}/medium.jpg", other.id, user.id),
        format!("/avatars/{}/{picture}", user.id),
        format!("/avatars/{}/{picture}/", user.id),
        "/avatars".to_owned(),
        "/avatars/".to_owned(),
    ] {
        // By hand: a client would tidy the path up.
        let request = format!("GET {wrong} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = wire(&site, request.as_bytes()).await;
        let is_refused = refusal_in(&answer) == (404, "not_found".to_owned());
        assert!(is_refused || answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
    }
    assert_eq!(site.get(&path).await.status, 200);
}

on_both_stores! {
    a_disguise_is_seen_through,
    nothing_that_travels_in_a_picture_is_kept,
    a_bomb_is_told_by_its_header,
    text_that_inflates_is_not_inflated,
    a_broken_picture_is_refused_whichever_part_it_is,
    pictures_of_every_kind_become_the_same_kind,
    a_path_that_was_not_given_out_is_not_there,
}
