use proptest::prelude::*;

use super::*;

fn refused<T: FieldText + std::fmt::Debug>(typed: &str) -> String {
    T::parse(typed).unwrap_err().to_string()
}

#[test]
fn length_counts_scalar_values_not_bytes() {
    assert!(Line::<100>::parse(&"🦀".repeat(100)).is_ok());
    assert_eq!(refused::<Line<100>>(&"🦀".repeat(101)), "must be at most 100 characters long; it has 101");
}

#[test]
fn white_space_at_the_ends_is_trimmed_before_counting() {
    let line = Line::<3>::parse("  abc \n").unwrap();
    assert_eq!(line.as_str(), "abc");
}

#[test]
fn a_line_refuses_what_deceives_or_controls() {
    for bad in ['\0', '\u{1B}', '\n', '\u{85}', '\u{202E}', '\u{2066}', '\u{200B}', '\u{FEFF}', '\u{2028}'] {
        assert_eq!(
            refused::<Line<100>>(&format!("a{bad}b")),
            format!("must not contain the character U+{:04X}", u32::from(bad))
        );
    }
}

#[test]
fn a_family_emoji_keeps_its_joiners() {
    assert!(Line::<100>::parse("👩\u{200D}👧").is_ok());
}

#[test]
fn a_paragraph_keeps_lines_and_drops_carriage_returns() {
    assert_eq!(Paragraph::<2000>::parse("a\r\n\tb").unwrap().as_str(), "a\n\tb");
    assert_eq!(refused::<Paragraph<2000>>("a\rb"), "must not contain the character U+000D");
}

#[test]
fn usernames_compare_without_case_and_are_kept_as_typed() {
    let name = Username::parse(" Ada_L.9- ").unwrap();
    assert_eq!((name.as_str(), name.key().as_str()), ("Ada_L.9-", "ada_l.9-"));
}

#[test]
fn usernames_outside_the_alphabet_are_refused() {
    for bad in ["ab", "a b", "ада", "a/b", "K\u{212A}K", "dotless\u{131}", &"a".repeat(33), ""] {
        assert!(refused::<Username>(bad).starts_with("must be 3 to 32 of"), "{bad}");
    }
}

#[test]
fn a_phone_number_loses_spaces_and_dashes() {
    assert_eq!(Phone::parse("+49 30-123 456").unwrap().as_str(), "+4930123456");
}

#[test]
fn phones_that_are_not_e164_are_refused() {
    for bad in ["0301234567", "+0301234567", "+12345", "+1234567890123456", "+49abc12345", "+٤٩٣٠١٢٣٤٥٦", "+"]
    {
        assert!(Phone::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn languages_are_tags_of_at_most_ten_characters() {
    for good in ["en", "pt-BR", "zh-Hant-TW", "es-419", "gsw", "de-1996", "zh-yue", "x-whatever", "en-GB-oed"] {
        assert!(Language::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "e", "englishes", "xx-YY-zz-toolong", "en_US", "de-", "zh-Hant-TWN", "12", "x", "x-", "-en"] {
        assert!(Language::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn time_zones_are_iana_names_to_the_letter() {
    for good in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"] {
        assert!(Timezone::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "Mars/Olympus", "utc+5", "Foo5", "europe/berlin", "../../etc/passwd", &"a".repeat(101)] {
        assert!(Timezone::parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn what_was_accepted_is_accepted_again_unchanged(typed in any::<String>()) {
        if let Ok(once) = Line::<100>::parse(&typed) {
            prop_assert_eq!(Line::<100>::parse(once.as_str()).unwrap(), once);
        }
        if let Ok(once) = Paragraph::<2000>::parse(&typed) {
            prop_assert_eq!(Paragraph::<2000>::parse(once.as_str()).unwrap(), once);
        }
    }
}
