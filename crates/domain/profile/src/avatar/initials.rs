//! What stands in for a picture.

use frontdesk_kernel::UserId;

/// The most letters that are drawn.
const LETTERS: usize = 2;

/// The initials of a name and a colour, the same for the same user each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initials {
    /// At most two letters or digits, in upper case where the script has it; empty where the name has none.
    pub letters: String,
    /// The hue of the background in degrees, 0 to 359.
    pub hue: u16,
}

/// What is drawn of a word: its first letter or digit. A mark that combines needs a letter to stand on, and whatever
/// else a name may hold is a decoration.
fn initial(word: &str) -> Option<char> {
    word.chars().find(|c| c.is_alphanumeric())
}

/// In upper case, unless that would take more room: `ß` is `SS`.
fn upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

impl Initials {
    /// Of the first and the last word of a name.
    pub fn of(user: UserId, name: Option<&str>) -> Self {
        let mut initials = name.unwrap_or_default().split_whitespace().filter_map(initial);
        let first = initials.next();
        let letters = first.into_iter().chain(initials.next_back()).take(LETTERS).map(upper).collect();
        // The last bytes of an id are random, those of a UUIDv7 as well as all others.
        let [.., high, low] = user.as_uuid().into_bytes();
        Self { letters, hue: u16::from_be_bytes([high, low]) % 360 }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn letters(name: &str) -> String {
        Initials::of(UserId::new(Uuid::nil()), Some(name)).letters
    }

    #[test]
    fn the_first_and_the_last_word_give_a_letter_each() {
        for (name, expected) in [
            ("Ada Lovelace", "AL"),
            ("ada", "A"),
            ("Ada King, Countess of Lovelace", "AL"),
            ("  émile   zola ", "ÉZ"),
            ("王 小明", "王小"),
            ("\u{202e}evil", "E"),
            ("ßen", "ß"),
            ("007 agent", "0A"),
            ("<script> & \"x\"", "SX"),
            ("\u{301}a", "A"),
            ("🦀 !!", ""),
            ("", ""),
        ] {
            assert_eq!(letters(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_user_keeps_the_colour_under_another_name() {
        let user = UserId::new(Uuid::from_u128(0x1234));
        assert_eq!(Initials::of(user, Some("Ada")).hue, Initials::of(user, None).hue);
        assert_eq!(Initials::of(user, None).hue, 0x1234 % 360);
    }
}
