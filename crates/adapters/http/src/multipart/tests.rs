use frontdesk_profile::avatar::AvatarSize;

use super::*;

fn part(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn closed(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"--b--\r\n".to_vec()].concat()
}

fn read_by(body: &[u8], step: usize) -> Result<Vec<(PartName, Vec<u8>)>, Refused> {
    let mut multipart = Multipart::new("b", Some(body.len()));
    for chunk in body.chunks(step) {
        multipart.push(chunk)?;
    }
    Ok(multipart.finish()?.into_iter().map(|part| (part.name, part.bytes)).collect())
}

/// The same in whatever pieces it comes.
#[track_caller]
fn read(body: &[u8]) -> Result<Vec<(PartName, Vec<u8>)>, Refused> {
    let whole = read_by(body, body.len().max(1));
    for step in [1, 2, 3, 7] {
        assert_eq!(read_by(body, step), whole, "in pieces of {step}");
    }
    whole
}

#[track_caller]
fn malformed(body: &[u8]) {
    let read = read(body);
    assert!(matches!(read, Err(Refused::Malformed(_))), "{read:?}");
}

#[test]
fn parts_are_read_by_name_and_byte_for_byte() {
    let tricky = b"\r\n--\r\n--a\r\r\n-\0\xff--b--".as_slice();
    let body = closed(&[part("thumbnail", tricky), part("image", b"\r\n")]);
    let expected = vec![(PartName::Size(AvatarSize::Thumbnail), tricky.to_vec()), (PartName::Image, b"\r\n".to_vec())];
    assert_eq!(read(&body), Ok(expected));
}

#[test]
fn what_stands_before_and_after_the_parts_means_nothing() {
    let body = [b"preamble\r\n".to_vec(), closed(&[part("file", b"x")]), b"epilogue\r\n--b\r\n".to_vec()].concat();
    assert_eq!(read(&body).map(|parts| parts.len()), Ok(1));
    assert_eq!(read(b"--b \t\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--").map(|p| p.len()), Ok(1));
}

#[test]
fn the_name_of_the_file_and_other_headers_mean_nothing() {
    for disposition in [
        "form-data; name=\"file\"; filename=\"../../x.png\"",
        "form-data; name=\"file\"; filename=\"a.png\0.php\"",
        "form-data; filename=\"x; name=large\"; name=\"file\"",
        "form-data; filename=\"a\\\"; name=\\\"b\"; name=\"file\"",
        "form-data; filename=\"\u{202e}gpj.exe\"; filename*=UTF-8''x; name=file",
        "FORM-DATA;NAME=file",
        "form-data; name=\"file\"; filename=\"unclosed",
        &format!("form-data; name=file; filename=\"{}\"", "x".repeat(4_096)),
    ] {
        let head = format!("Content-Type: text/html\r\ncontent-disposition:{disposition}\r\nContent-Length: 99");
        let body = format!("--b\r\n{head}\r\n\r\nx\r\n--b--");
        assert_eq!(read(body.as_bytes()), Ok(vec![(PartName::File, b"x".to_vec())]), "{disposition}");
    }
}

#[test]
fn a_name_is_no_utf8_and_the_file_is_read_all_the_same() {
    let body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xe9\xff\"\r\n\r\nx\r\n--b--";
    assert_eq!(read(body).map(|parts| parts.len()), Ok(1));
}

#[test]
fn a_frame_that_is_broken_is_refused() {
    let whole = closed(&[part("file", b"0123456789"), part("large", b"x")]);
    let last = whole.len() - "\r\n".len();
    for end in 0..last {
        malformed(&whole[..end]);
    }
    assert!(read(&whole[..last]).is_ok());
    malformed(b"--b\r\n\r\nx\r\n--b--");
    malformed(b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--");
    malformed(b"--b\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n--b--");
    malformed(b"--b\r\nContent-Disposition: form-data; name*=utf-8''file\r\n\r\nx\r\n--b--");
    malformed(b"--bb\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--bb--");
    malformed(&[b"--b".as_slice(), &[b' '; 100], b"\r\n"].concat());
}

#[test]
fn headers_of_a_part_are_bounded() {
    let with = |length: usize| {
        let head = "Content-Disposition: form-data; name=file\r\nX: ";
        let head = format!("{head}{}", "x".repeat(length - head.len() - 2));
        format!("--b\r\n{head}\r\n\r\nx\r\n--b--").into_bytes()
    };
    assert!(read_by(&with(HEADERS_LIMIT), 9_999).is_ok() && read_by(&with(HEADERS_LIMIT), 1).is_ok());
    malformed(&with(HEADERS_LIMIT + 1));
    malformed(&with(64 * 1_024));
}

#[test]
fn a_part_that_breaks_a_rule_is_named() {
    for (parts, name, rule) in [
        (vec![part("file", b"")], "file", "is empty"),
        (vec![part("medium", b"x"), part("medium", b"x")], "medium", "must be given once"),
        (vec![part("file", b"x"), part("avatar", b"x")], "avatar", "must not come together with file"),
        (vec![part("picture", b"x")], "picture", "is not one of file, "),
        (vec![part("", b"x")], "", "is not one of file, "),
        (vec![], "file", "send a picture as file"),
    ] {
        match read(&closed(&parts)) {
            Err(Refused::Part { name: named, rule: told }) => {
                assert!(named == name && told.starts_with(rule), "{named}: {told}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn the_pictures_of_all_parts_together_are_bounded() {
    let content = vec![b'x'; UPLOAD_LIMIT];
    let (half, rest) = content.split_at(UPLOAD_LIMIT / 2);
    let fits = closed(&[part("small", half), part("large", rest)]);
    assert_eq!(read_by(&fits, 60_000).map(|parts| parts.len()), Ok(2));
    let over = closed(&[part("small", half), part("large", &[rest, b"x"].concat())]);
    assert_eq!(read_by(&over, 60_000), Err(Refused::TooLarge));
}

#[test]
fn what_stands_around_the_parts_is_bounded() {
    let one = closed(&[part("file", b"x")]);
    let endless = vec![b'x'; BODY_LIMIT];
    assert_eq!(read_by(&[endless.as_slice(), &one].concat(), 60_000), Err(Refused::TooLarge));
    assert_eq!(read_by(&[one.as_slice(), &endless].concat(), 60_000), Err(Refused::TooLarge));
}

#[test]
fn no_more_is_reserved_than_can_come() {
    let mut multipart = Multipart::new("b", Some(usize::MAX));
    multipart.push(&part("small", b"x")).unwrap();
    multipart.push(&part("large", b"x")).unwrap();
    let reserved: usize = multipart.parts.iter().map(|part| part.bytes.capacity()).sum();
    assert!(reserved <= UPLOAD_LIMIT, "{reserved}");
}

#[test]
fn a_boundary_is_read_as_it_may_be_written() {
    let of = |parameters: &str| boundary(&format!("multipart/form-data{parameters}")).unwrap();
    for (parameters, expected) in [
        ("; boundary=b", "b"),
        (";charset=utf-8;BOUNDARY = \"a b:c\"", "a b:c"),
        ("; boundary=----WebKitFormBoundaryAbC123 ", "----WebKitFormBoundaryAbC123"),
    ] {
        assert_eq!(of(parameters).as_deref(), Ok(expected), "{parameters}");
    }
    let long = format!("; boundary={}", "b".repeat(71));
    for wrong in
        ["", ";", "; boundary", "; boundary=", "; boundary=\"\"", "; boundary=\"b \"", "; boundary=a\"b", &long]
    {
        assert!(of(wrong).is_err(), "{wrong}");
    }
    assert!(of("; boundary=a; boundary=b").is_err());
    for other in ["", "multipart/mixed; boundary=b", "application/json", "multipart/form-datax; boundary=b"] {
        assert_eq!(boundary(other), None, "{other}");
    }
}

/// What fuzzing begins with: a byte that says how it is cut, and a body.
#[test]
fn every_file_of_the_corpus_is_read_alike_in_whatever_pieces_it_comes() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fuzz/corpus/multipart");
    let outcome = |name: &str| {
        let file = std::fs::read(std::path::Path::new(corpus).join(name)).unwrap();
        let (step, body) = file.split_first().unwrap();
        let whole = read(body);
        assert_eq!(read_by(body, usize::from(*step).max(1)), whole, "{name}");
        whole
    };
    let names = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let read: Vec<String> = names.filter(|name| outcome(name).is_ok()).collect();
    // It is of no use without bodies that are taken.
    assert!(read.len() >= 2, "{read:?}");
}
