//! What a session runs on, in the words a person knows.

/// What a client said about itself. A label for the list of sessions: nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// As "Safari on iPhone"; at most 100 characters.
    pub device: Option<String>,
    /// The `X-App-Type`; at most 50 characters.
    pub app_type: Option<String>,
}

const DEVICE_CHARS: usize = 100;
const APP_TYPE_CHARS: usize = 50;

/// Marks of browsers, the more special first: nearly all of them say that they are Safari and Chrome too.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Marks of systems, the more special first.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Darwin/", "Apple"),
    ("Linux", "Linux"),
];

impl Client {
    /// Reads the `User-Agent` and `X-App-Type` of a request.
    pub fn of(user_agent: Option<&str>, app_type: Option<&str>) -> Self {
        Self {
            device: user_agent.and_then(device),
            app_type: app_type.and_then(|typed| cleaned(typed, APP_TYPE_CHARS)),
        }
    }
}

fn device(user_agent: &str) -> Option<String> {
    let find = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // An app says its own name first; browsers say "Mozilla".
    let program = if user_agent.starts_with("Mozilla/") {
        find(BROWSERS).map(str::to_owned)
    } else {
        user_agent.split(['/', ' ']).next().and_then(|name| cleaned(name, DEVICE_CHARS / 2))
    };
    match (program, find(SYSTEMS)) {
        (Some(program), Some(system)) => Some(format!("{program} on {system}")),
        (Some(program), None) => Some(program),
        (None, Some(system)) => Some(system.to_owned()),
        (None, None) => cleaned(user_agent, DEVICE_CHARS),
    }
}

/// Visible ASCII and spaces only: it is shown, and whoever sends it may be somebody else.
fn cleaned(text: &str, most: usize) -> Option<String> {
    let kept: String = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(most).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(user_agent: &str) -> Option<String> {
        Client::of(Some(user_agent), None).device
    }

    #[test]
    fn browsers_are_known_by_name_and_system() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1";
        assert_eq!(device(chrome).unwrap(), "Chrome on Windows");
        assert_eq!(device(&format!("{chrome} Edg/140.0")).unwrap(), "Edge on Windows");
        assert_eq!(device(safari).unwrap(), "Safari on iPhone");
        assert_eq!(
            device("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0").unwrap(),
            "Firefox on Linux"
        );
    }

    #[test]
    fn an_app_is_known_by_the_name_it_gives() {
        assert_eq!(device("Scribe/2.1 CFNetwork/1568 Darwin/24.0.0").unwrap(), "Scribe on Apple");
        assert_eq!(device("curl/8.5.0").unwrap(), "curl");
    }

    #[test]
    fn what_could_deceive_or_overflow_is_left_out() {
        assert_eq!(device("\u{202e}evil\u{1b}[31m").unwrap(), "evil[31m");
        assert_eq!(device(&"x".repeat(10_000)).unwrap().len(), 50);
        assert_eq!(device("\u{7f}\u{200b}"), None);
        assert_eq!(Client::of(None, Some(&"m".repeat(1_000))).app_type.unwrap().len(), 50);
        assert_eq!(Client::of(None, Some(" ")), Client::default());
    }
}
