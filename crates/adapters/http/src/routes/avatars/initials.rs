//! What is drawn where there is no picture.

use std::fmt::Write as _;

use frontdesk_profile::avatar::{AvatarSize, Initials};

/// Head and shoulders, for a name without letters.
const SILHOUETTE: &str = "<circle cx=\"32\" cy=\"25\" r=\"11\" fill=\"#fff\"/>\
                          <path d=\"M10 58a22 20 0 0 1 44 0v6H10z\" fill=\"#fff\"/>";

/// Text inside an element or an attribute.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
        escaped
    })
}

/// A square in the colour of the user. It stands for itself: nothing in it runs, styles or loads anything.
pub(super) fn drawn(initials: &Initials, size: AvatarSize) -> String {
    let pixels = size.side();
    let hue = initials.hue;
    let letters = escaped(&initials.letters);
    let label = if letters.is_empty() { "No picture" } else { &letters };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{pixels}\" height=\"{pixels}\" viewBox=\"0 0 64 64\" \
         role=\"img\" aria-label=\"{label}\"><title>{label}</title>\
         <rect width=\"64\" height=\"64\" fill=\"hsl({hue},45%,40%)\"/>"
    );
    if letters.is_empty() {
        svg.push_str(SILHOUETTE);
    } else {
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<text x=\"32\" y=\"32\" dy=\".35em\" text-anchor=\"middle\" font-family=\"sans-serif\" font-size=\"26\" \
             fill=\"#fff\">{letters}</text>"
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(letters: &str, size: AvatarSize) -> String {
        drawn(&Initials { letters: letters.to_owned(), hue: 210 }, size)
    }

    #[test]
    fn the_letters_are_drawn_in_the_size_and_the_colour() {
        let svg = of("AL", AvatarSize::Large);
        for part in ["width=\"512\" height=\"512\"", "hsl(210,45%,40%)", ">AL</text>", "aria-label=\"AL\""] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn without_letters_there_is_a_silhouette() {
        let svg = of("", AvatarSize::Small);
        assert!(svg.contains("<circle") && !svg.contains("<text"), "{svg}");
    }

    #[test]
    fn markup_is_text() {
        let svg = of("<\"&'>", AvatarSize::Small);
        assert!(svg.contains(">&lt;&quot;&amp;&#39;&gt;</text>"), "{svg}");
        assert!(!svg.contains("<\""), "{svg}");
    }

    #[test]
    fn nothing_in_it_runs_styles_or_loads() {
        let svg = of("AL", AvatarSize::Small) + &of("", AvatarSize::Small);
        for word in ["<script", "<style", "style=", "href", "url(", "<image", "<foreignObject", " on", "<!"] {
            assert!(!svg.contains(word), "{word} in {svg}");
        }
    }
}
